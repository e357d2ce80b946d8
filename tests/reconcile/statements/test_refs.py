from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model import InputError, StatementFile
from reconcile.statements import part_day_overlaps, read_statement_bytes

Read = Callable[..., StatementFile]
HEAD = "direction,amount,currency,booking_date,remittance\n"
ROWS = st.lists(
    st.tuples(st.sampled_from(["IN", "OUT"]), st.integers(1, 3), st.sampled_from(["20", "21"])),
    min_size=1,
    max_size=12,
)


def _refs(rows: list[tuple[str, int, str]], name: str = "x.csv") -> list[str]:
    text = HEAD + "".join(f"{way},{n}.00,CNY,2026-11-{day},\n" for way, n, day in rows)
    return [e.entry_ref for e in read_statement_bytes(text.encode(), name).statements[0].entries]


@given(ROWS, st.randoms())
def test_refs_do_not_depend_on_order_file_or_line(
    rows: list[tuple[str, int, str]],
    random: Random,
) -> None:
    """The set of refs is a function of the content; equal lines get occurrences from 1."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = _refs(rows), _refs(shuffled, "another name.csv")
    assert sorted(first) == sorted(second)
    assert len(set(first)) == len(first)


@given(ROWS, ROWS)
def test_a_longer_file_of_the_same_day_gives_the_same_refs(
    rows: list[tuple[str, int, str]],
    more: list[tuple[str, int, str]],
) -> None:
    """Rows added behind never change the refs of those before."""
    assert set(_refs(rows)) <= set(_refs(rows + more))
    assert _refs(rows + more)[: len(rows)] == _refs(rows)


def test_the_golden_ref_of_one_line() -> None:
    """The hash's recipe is part of the import format: it may not change silently."""
    recipe = ("kanhe/entry/1", "", 20_777, None, None, 0, 100, "CNY", (), None, None, None, None)
    digest = sha256(msgspec.msgpack.encode(recipe)).hexdigest()
    assert digest == "218ad10205b23ccd4d8a3a989bfb0a8e913fa4e1104b1a5784e8fcfcea6f17d7"
    assert _refs([("IN", 1, "20"), ("IN", 1, "20")]) == [f"{digest}-1", f"{digest}-2"]


def test_a_source_ref_is_used_only_where_it_is_unique(read: Read) -> None:
    """A servicer's reference on two lines names neither of them."""
    head = ":20:R\n:25:A\n:28C:1\n:60F:C261119EUR0,\n"
    line = ":61:261120C1,00NTRFNONREF//SERVICER-{n}\n"
    foot = ":62F:C261120EUR2,00\n"
    unique = read(head + line.format(n=1) + line.format(n=2) + foot, "x.sta")
    assert [e.entry_ref for e in unique.statements[0].entries] == ["SERVICER-1", "SERVICER-2"]
    shared = read(head + line.format(n=1) * 2 + foot, "x.sta")
    refs = [e.entry_ref for e in shared.statements[0].entries]
    assert refs[0] != refs[1]
    assert [ref[-2:] for ref in refs] == ["-1", "-2"]
    assert {len(ref) for ref in refs} == {66}


def test_a_part_day_overlap_is_named_with_its_day() -> None:
    """A day may come again whole, in part or grown; a mixture of both cannot be told apart."""
    known = [(20_777, "a"), (20_777, "b"), (20_778, "c")]
    assert not part_day_overlaps(known, [(20_777, "a"), (20_777, "b"), (20_777, "x")])
    assert not part_day_overlaps(known, [(20_777, "a")])
    assert not part_day_overlaps(known, [(20_777, "x"), (20_779, "y")])
    found = part_day_overlaps(known, [(20_777, "b"), (20_777, "x")])
    assert [one.code for one in found] == ["PART_DAY_OVERLAP"]
    assert "2026-11-20" in found[0].message


def test_an_interim_report_beside_the_days_statement_is_an_overlap(read: Read) -> None:
    """Without balances that chain them, an equal line in two statements may be one payment."""
    report = ":20:R{n}\n:25:A\n:28C:{n}/1\n:34F:EUR0,\n:61:261120C1,00NTRFNONREF\n{more}-\n"
    more = ":61:261120C2,00NTRFNONREF\n"
    with pytest.raises(InputError) as caught:
        read(report.format(n=1, more="") + report.format(n=2, more=more), "x.sta")
    assert {one.code for one in caught.value.details} == {"PART_DAY_OVERLAP"}
    assert "2026-11-20" in caught.value.message
