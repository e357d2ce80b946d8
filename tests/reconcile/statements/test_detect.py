from __future__ import annotations

import pytest

from reconcile.model import InputError
from reconcile.statements import identify


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2}', '[{"a": 1}]', "[]", '{\n "kanhe": "x, y"}'])
def test_a_json_document_is_no_statement(text: str) -> None:
    """JSON is refused by name, though its commas look like a table's."""
    with pytest.raises(InputError) as caught:
        identify(text.encode(), "report.json")
    assert caught.value.code == "FORMAT_UNKNOWN"
    assert "JSON" in caught.value.message


def test_a_swift_block_is_not_mistaken_for_json() -> None:
    """An MT940 message begins with a brace too."""
    text = "{1:F01BANKNL2AXXXX0000000000}{2:O940BANKNL2AXXXXN}{3:}{4:\r\n:20:A\r\n:25:1\r\n"
    assert identify(text.encode(), "a.sta").format == "mt940"
