from __future__ import annotations

import time

import pyarrow as pa
import pytest
from matching_runs import entry, run_of

from reconcile.entries import EntryTable
from reconcile.matching import bounds, candidates, few, match
from reconcile.model import InputError

# In quadratic time each of these takes minutes.
ROWS = 60_000
CPU_LIMIT_S = 20


def alike(side: str, count: int, **parts: object) -> EntryTable:
    """Return entries that differ in nothing but their refs."""
    one = EntryTable.of([entry("x", 100, **parts)]).to_arrow()
    many = one.take(pa.array([0] * count))
    refs = pa.array([f"{side}{number:08d}" for number in range(count)])
    return EntryTable.from_arrow(many.set_column(0, one.schema.field(0), refs))


@pytest.mark.parametrize(
    ("parts", "groups", "proposed"),
    [
        ({"key": "SAME"}, ROWS - 10, []),
        ({"counterparty_account": "990000000001"}, ROWS - 10, []),
        ({"counterparty_name": "Alpha"}, 0, [("name", ROWS, ROWS - 10), ("bare", ROWS, ROWS - 10)]),
        ({}, 0, [("bare", ROWS, ROWS - 10)]),
    ],
)
def test_entries_that_are_all_alike_cost_no_quadratic_time(
    parts: dict[str, object], groups: int, proposed: list[tuple[str, int, int]]
) -> None:
    """One key, account, name or amount shared by everything is counted, never listed by pairs."""
    start = time.process_time()
    matched = match(run_of(alike("s", ROWS, **parts), alike("o", ROWS - 10, **parts)))
    assert time.process_time() - start < CPU_LIMIT_S
    assert len(matched.groups) == groups
    found = [(p.pass_name, p.servicer_count, p.owner_count) for p in matched.proposals]
    assert found == proposed
    assert all(len(p.servicer) <= 16 for p in matched.proposals)


def test_combinations_of_references_that_explode_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What would compare too many combinations is counted first and refused by name."""
    monkeypatch.setattr(candidates, "MAX_CELLS", 3)
    monkeypatch.setattr(few, "FEW_PAIRS", 0)
    account = {"counterparty_account": "990000000001"}
    servicer = [entry("s1", **account), entry("s2", key="KEY1", **account)]
    owner = [entry("o1", **account), entry("o2", key="KEY2", **account)]
    with pytest.raises(InputError, match="CANDIDATES_EXPLODE") as caught:
        match(run_of(tuple(servicer), tuple(owner)))
    assert "8 combinations" in caught.value.message
    assert caught.value.help


def test_more_open_entries_than_a_report_can_list_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten million alike with no reference would each be a break: refused by their number."""
    monkeypatch.setattr(bounds, "MAX_OPEN", 6)
    books = alike("s", 4), alike("o", 3)
    with pytest.raises(InputError, match="OPEN_TOO_MANY") as caught:
        match(run_of(*books))
    assert "7 of 7 entries" in caught.value.message
    assert caught.value.help
    monkeypatch.setattr(bounds, "MAX_OPEN", 7)
    assert sum(map(len, match(run_of(*books)).open)) == 7


def few_of(count: int, loose: list[str | None], *, amounts: int = 1, keys: int = 1) -> bool:
    """Say whether so many rows a side are few, of so many amounts and keys."""
    table = pa.record_batch(
        {"currency": ["CNY"] * count, "signed": [n % amounts for n in range(count)]}
    )
    held = {"k1": pa.array([f"KEY{n % keys}" for n in range(count)])}
    return few.are_few((table, table), (held, held), loose)


def test_only_rows_whose_pairs_can_be_listed_are_few() -> None:
    """The pairs that a step may list are counted: of one amount, and under a loose pass's key."""
    assert few_of(200, [None])
    assert not few_of(300, [])
    assert few_of(900, [], amounts=300)
    assert not few_of(1_001, [], amounts=1_001)
    assert not few_of(900, [None], amounts=300)
    assert not few_of(900, ["k1"], amounts=300)
    assert few_of(900, ["k1"], amounts=300, keys=300)
