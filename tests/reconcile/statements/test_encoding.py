from __future__ import annotations

from collections.abc import Callable

import pytest

from reconcile.model import InputError, StatementFile
from reconcile.statements.drafts import Findings
from reconcile.statements.encoding import decode

Read = Callable[..., StatementFile]

HEAD = "direction,amount,currency,booking_date,counterparty_name\n"
ROW = "IN,1.00,CNY,2026-11-20,上海某某贸易有限公司\n"


@pytest.mark.parametrize("most", [3, 60])
@pytest.mark.parametrize(("first", "second"), [("gb18030", "utf-8"), ("utf-8", "gb18030")])
def test_a_file_of_two_encodings_is_refused_with_the_line(
    read: Read, most: int, first: str, second: str
) -> None:
    """GB18030 reads almost any bytes, so a UTF-8 line in it would pass as another name."""
    content = HEAD.encode() + (ROW * most).encode(first) + ROW.encode(second)
    with pytest.raises(InputError) as caught:
        read(content, "mixed.csv")
    assert caught.value.code in {"ENCODING_MIXED", "ENCODING_WRONG", "TRUNCATED"}
    assert not read(content, "mixed.csv", lenient=True).statements[0].provable


def test_one_line_that_mixes_both_is_refused(read: Read) -> None:
    """The name in GB18030, the remittance beside it in UTF-8."""
    head = (HEAD.strip() + ",remittance\n").encode()
    good = (ROW.strip() + ",货款\n").encode("gb18030") * 5
    mixed = ROW.strip().encode("gb18030") + b"," + "货款二".encode() + b"\n"
    with pytest.raises(InputError) as caught:
        read(head + good + mixed, "mixed.csv")
    assert caught.value.code == "ENCODING_MIXED"
    assert caught.value.where.line == 7


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("摘要,联通,中国移动,喆堃镕昇赟,𠮷野家,重庆市渝中区", ("gb18030", "utf-8", "utf-16")),
        ("Grüße aus Köln, Straße; 50 €", ("utf-8", "utf-16", "cp1252")),
    ],
)
def test_plain_files_of_one_encoding_are_not_suspected(text: str, names: tuple[str, ...]) -> None:
    """Rare characters and umlauts are no contradiction."""
    text = f"{text}\n" * 3
    for name in names:
        findings = Findings()
        assert decode(text.encode(name), findings) == text
        assert findings.count == 0, (name, findings.items)
