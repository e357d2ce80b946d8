"""Groups and places of entries are found again in their blocks, however they are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.bulk import insert_rows
from node.db import Database
from node.runs import (
    GROUPS_A_BLOCK,
    REFS_A_BLOCK,
    Went,
    group_blocks,
    groups_from,
    groups_numbered,
    last_went,
    ref_blocks,
    went_beginning,
    where_went,
)
from node.tables import MatchRun, RunGroupBlock, RunRefBlock
from reconcile.matching.groups import Groups
from reconcile.model import Break, BreakKind, MatchGroup, Side

AGREEMENT = bytes(32)
HUGE = 2**70


def group(number: int) -> MatchGroup:
    """A group of one servicer entry and two of the owner."""
    owner = (f"o{number:05d}a", f"o{number:05d}b")
    return MatchGroup("exact", (f"s{number:05d}",), owner, "CNY", HUGE + number)


def broken(servicer: tuple[str, ...], owner: tuple[str, ...]) -> Break:
    """A break over these entries."""
    return Break(bytes(32), BreakKind.AMOUNT, servicer, owner, (("CNY", 1),), 0)


def store(
    database: Database,
    groups: list[MatchGroup],
    breaks: list[Break],
    *,
    window: int = 8,
    at_ms: int = 0,
) -> int:
    """Keep a run's blocks; return the run."""
    with database.writing.begin() as session:
        run = MatchRun(
            agreement=AGREEMENT,
            window=window,
            kind="PROOF",
            servicer_seq=1,
            owner_seq=1,
            servicer_entries=0,
            owner_entries=0,
            servicer_matched=0,
            owner_matched=0,
            group_count=len(groups),
            proposal_count=0,
            break_count=len(breaks),
            breaks_by_kind={},
            totals=[],
            identities=[],
            oldest_age_days=0,
            complete=True,
            balance_proven=True,
            timing_ms={},
            run_at_ms=at_ms,
        )
        session.add(run)
        session.flush()
        insert_rows(session, RunGroupBlock, group_blocks(run.id, Groups.of(groups)))
        insert_rows(session, RunRefBlock, ref_blocks(run.id, Groups.of(groups), breaks))
        return run.id


COUNT = 2 * GROUPS_A_BLOCK + 3


def test_groups_come_back_in_order_from_any_number(database: Database) -> None:
    """A page begins at any number, across blocks; a residual beyond 64 bits survives."""
    groups = [group(number) for number in range(COUNT)]
    run_id = store(database, groups, [])
    with database.reading() as session:
        assert list(groups_from(session, run_id)) == list(enumerate(groups))
        for first in (1, GROUPS_A_BLOCK - 1, GROUPS_A_BLOCK, COUNT - 1, COUNT, COUNT + 999):
            expected = list(enumerate(groups))[first:]
            assert list(groups_from(session, run_id, first)) == expected
        numbers = [COUNT - 1, 0, GROUPS_A_BLOCK, 0, COUNT]
        found = groups_numbered(session, run_id, numbers)
        assert found == [(n, groups[n]) for n in (0, GROUPS_A_BLOCK, COUNT - 1)]
        assert list(groups_from(session, run_id + 1)) == []


def test_an_entry_is_found_where_it_went(database: Database) -> None:
    """Every entry of every group and break is found, and none that the run does not know."""
    groups = [group(number) for number in range(REFS_A_BLOCK)]
    breaks = [broken(("s-open",), ("o-open", "o-other"))]
    run_id = store(database, groups, breaks)
    refs = [ref for item in groups for ref in item.owner]
    with database.reading() as session:
        went = where_went(session, run_id, Side.OWNER, [*refs, "o-open", "a", "z", "o00000"])
        assert went["o-open"] == Went("o-open", None, 0)
        assert {ref: item.group for ref, item in went.items() if item.group is not None} == {
            ref: number for number, item in enumerate(groups) for ref in item.owner
        }
        assert len(went) == len(refs) + 1
        for ref in (*refs, "a", "o00000", "o-open", "z"):
            alone = {ref: went[ref]} if ref in went else {}
            assert where_went(session, run_id, Side.OWNER, [ref]) == alone
        few = [*refs[:2], refs[-1], "a", "z"]
        assert set(where_went(session, run_id, Side.OWNER, few)) == {*refs[:2], refs[-1]}
        assert where_went(session, run_id, Side.SERVICER, ["o-open"]) == {}
        assert where_went(session, run_id, Side.SERVICER, []) == {}


def test_the_newest_run_that_knows_an_entry_decides(database: Database) -> None:
    """Of several windows the highest that names the entry is found, and of one the newest run."""
    old = store(database, [group(1)], [], window=8)
    store(database, [group(2)], [broken(("s00001",), ())], window=16)
    store(database, [group(3)], [], window=24)
    with database.reading() as session:
        found = last_went(session, AGREEMENT, Side.SERVICER, "s00001")
        assert found is not None
        assert (found[0].window, found[1].broken) == (16, 0)
        owner = last_went(session, AGREEMENT, Side.OWNER, "o00001b")
        assert owner is not None
        assert (owner[0].id, owner[1].group) == (old, 0)
        assert last_went(session, AGREEMENT, Side.OWNER, "o00009") is None
        assert last_went(session, bytes(31) + b"1", Side.OWNER, "o00001b") is None


@pytest.fixture
def searched(database: Database) -> tuple[Database, int, list[str]]:
    """A run over references in several scripts."""
    refs = sorted(
        {f"{head}{n:04d}" for head in ("a", "ab", "单", "单据", "Z", "é") for n in range(300)}
    )
    groups = [MatchGroup("exact", (ref,), (), "CNY", 0) for ref in refs]
    return database, store(database, groups, []), refs


@pytest.mark.parametrize("text", ["a", "ab", "a0", "单", "单据02", "Z0299", "é", "none", "zz"])
def test_a_search_finds_every_reference_that_begins_so(
    searched: tuple[Database, int, list[str]], text: str
) -> None:
    """A beginning finds exactly the references that begin with it, in order, up to the limit."""
    database, run_id, refs = searched
    expected = [ref for ref in refs if ref.startswith(text)]
    with database.reading() as session:
        found = went_beginning(session, run_id, Side.SERVICER, text, limit=10_000)
        assert [item.ref for item in found] == expected
        some = went_beginning(session, run_id, Side.SERVICER, text, limit=7)
        assert [item.ref for item in some] == expected[:7]


@settings(max_examples=60)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=40))
def test_the_order_of_blocks_is_that_of_their_bytes(refs: set[str]) -> None:
    """Blocks are cut in the order in which the database compares their first references."""
    groups = [MatchGroup("exact", (ref,), (), "CNY", 0) for ref in refs]
    firsts = [row["first_ref"] for row in ref_blocks(1, Groups.of(groups), [])]
    assert firsts == sorted(firsts)
    assert not firsts or firsts[0] == min(ref.encode() for ref in refs)
