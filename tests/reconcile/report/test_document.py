from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from report_books import (
    PAIR,
    one_sided,
    run_of,
)

from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import (
    ZERO32,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    InvalidBatch,
    MatchGroup,
    Side,
)
from reconcile.report import (
    canonical_json,
    carry_of,
    entry_from_json,
    entry_json,
    group_from_json,
    group_json,
    groups_root,
    reconcile,
    verify_report,
)
from reconcile.terms import terms_hash

json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(json_values)
def test_fast_canonical_bytes_are_rfc_8785(value: Any) -> None:  # noqa: ANN401 - any JSON
    """The fast writer agrees with an independent RFC 8785 implementation."""
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1, 1.5, {"a": 1}, {"ä": "x"}, ["\ud800"], {1: "x"}, b"x"])
def test_what_is_not_digested_json_is_refused(value: Any) -> None:  # noqa: ANN401 - any value
    """Numbers, odd names and broken text have no canonical bytes here."""
    with pytest.raises(InputError, match="REPORT_NOT_CANONICAL"):
        canonical_json(value)


def test_report_pins_heads_terms_and_invalid_batches() -> None:
    """Heads, every terms hash and excluded batches stand in the report and move its digest."""
    run = run_of(one_sided(0, 500, PAIR[0]), one_sided(0, 500, PAIR[1]))
    plain = reconcile(run)
    assert plain.report["terms_hashes"] == [terms_hash(run.terms).hex()]
    variants = [
        reconcile(run, servicer_head=b"\x01" * 32),
        reconcile(run, owner_head=b"\x01" * 32),
        reconcile(run, previous_agreed_digest=b"\x01" * 32),
        reconcile(run, terms_hashes=[b"\x01" * 32, terms_hash(run.terms)]),
        reconcile(run, invalid_batches=[InvalidBatch(Side.OWNER, 3, "TOTALS")]),
    ]
    assert len({item.digest for item in (plain, *variants)}) == len(variants) + 1
    assert variants[-1].report["invalid_batches"] == [
        {"side": "owner", "seq": "3", "reason": "TOTALS"}
    ]


def test_groups_root_is_a_tree_over_blocks() -> None:
    """1,025 groups make two blocks; each block's bytes are one leaf."""
    groups = [MatchGroup("e2e", (f"s{n:05d}",), (f"o{n:05d}",), "CNY", 0) for n in range(1_025)]

    def block(items: Sequence[MatchGroup]) -> bytes:
        rows = [[g.pass_name, list(g.servicer), list(g.owner), g.currency, "0"] for g in items]
        return msgspec.msgpack.encode(rows)

    leaves = [leaf_hash(block(groups[:1_024])), leaf_hash(block(groups[1_024:]))]
    assert groups_root(groups) == merkle_root(leaves)
    assert groups_root([]) == merkle_root([])
    assert [group_from_json(group_json(item)) for item in groups] == groups


texts = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
entries_ = st.builds(
    Entry,
    entry_ref=st.text("abc019", min_size=1, max_size=8),
    version=st.integers(0, 3),
    direction=st.sampled_from(list(Direction)),
    amount_minor=st.integers(0, 2**63 - 1),
    currency=st.sampled_from(["CNY", "JPY"]),
    booking_date=st.integers(0, 40_000),
    value_date=st.none() | st.integers(0, 40_000),
    settlement_date=st.none() | st.integers(0, 40_000),
    session=st.none() | st.integers(0, 7),
    status=st.sampled_from(list(EntryStatus)),
    is_reversal=st.booleans(),
    references=st.lists(
        st.tuples(st.integers(1, 12), st.text("AZ09", min_size=1, max_size=6)),
        unique_by=lambda item: item[0],
        max_size=3,
    ).map(lambda items: tuple(sorted(items))),
    counterparty_name=texts,
    remittance=texts,
    fee_minor=st.none() | st.integers(0, 10**9),
    occurred_at=st.none() | st.integers(0, 2**45),
    documents=st.lists(st.tuples(st.sampled_from(["INVOICE"]), st.just(ZERO32)), max_size=2).map(
        tuple
    ),
)


@given(entries_)
def test_carried_entries_survive_the_report(entry: Entry) -> None:
    """An entry read back from a report is the same entry, to the byte."""
    found = entry_from_json(entry_json(entry))
    assert found == entry
    assert msgspec.msgpack.encode(found) == msgspec.msgpack.encode(entry)
    canonical_json(entry_json(entry))


@pytest.mark.parametrize("report", [{}, {"standing": 1}, {"standing": {"held": {}}}])
def test_what_is_no_report_is_refused(report: dict[str, Any]) -> None:
    """Something else than a report has nothing to carry, and says so."""
    with pytest.raises(InputError, match="REPORT_MALFORMED"):
        carry_of(report)
    assert [check.ok for check in verify_report(report, ())] == [False]
