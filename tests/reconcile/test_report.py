from __future__ import annotations

import copy
import dataclasses
import hashlib
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.matching import RunInput
from reconcile.matching.keys import break_key, decision_hash, group_subject
from reconcile.matching.run_input import AgreedGroup
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    BreakKind,
    Decision,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    InvalidBatch,
    MatchGroup,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import (
    Result,
    canonical_json,
    carry_of,
    digest_of,
    entry_from_json,
    entry_json,
    group_from_json,
    group_json,
    groups_root,
    match_json,
    reconcile,
    report_digest,
    section_digests,
    verify_report,
)
from reconcile.terms import Terms, default_terms, parse_terms, terms_hash, terms_json

IN, OUT = Direction.IN, Direction.OUT
DAY = 20_780  # Monday 2026-11-23
STATED = BalanceBasis.STATED
AGREEMENT = hashlib.sha256(b"agreement").digest()


def line(ref: str, direction: Direction, minor: int, key: str | None = None, **more: Any) -> Entry:  # noqa: ANN401
    """Return an entry of the day; `key` is its end-to-end reference."""
    fields: dict[str, Any] = {"currency": "CNY", "booking_date": DAY, **more}
    if key is not None:
        fields["references"] = ((1, key),)
    return Entry(entry_ref=ref, version=0, direction=direction, amount_minor=minor, **fields)


def stated(**minor: int) -> dict[str, Balance]:
    """Return stated balances by currency."""
    return {code: Balance.of_signed(value, DAY, STATED) for code, value in minor.items()}


def run_of(
    servicer: SideBook,
    owner: SideBook,
    *,
    terms: Terms | None = None,
    **more: Any,  # noqa: ANN401 - fields of a run
) -> RunInput:
    """Return a run over the day under the default terms."""
    fields: dict[str, Any] = {
        "agreement": AGREEMENT,
        "kind": AgreementKind.BANK_ENTERPRISE,
        "window": window_of(DAY),
        "previous_window": None,
        "terms": terms or default_terms(["CNY", "USD"]),
        **more,
    }
    return RunInput(servicer=servicer, owner=owner, **fields)


def tolerant_terms() -> Terms:
    """Return terms whose first pass tolerates ten fen, with a budget."""
    body = terms_json(default_terms(["CNY"]))
    body["passes"][0]["amount"]["tolerance_minor"] = "10"
    body["tolerance_budget_minor"] = "1000"
    return parse_terms(body)


def row(result: Result, currency: str = "CNY") -> dict[str, Any]:
    """Return a currency's totals of a report."""
    found: dict[str, Any] = next(x for x in result.report["totals"] if x["currency"] == currency)
    return found


def failing(result: Result) -> list[tuple[str, str | None]]:
    """Return the identities that do not hold."""
    lines = result.report["identities"]
    return [(item["name"], item["side"]) for item in lines if not item["holds"]]


def all_hold(result: Result) -> bool:
    """Say whether every check of the verification holds."""
    checks = verify_report(result.report, result.groups, result.proposals, digest=result.digest)
    return all(check.ok for check in checks)


# --------------------------------------------------------------------- a worked example
def worked_example() -> Result:
    """Reconcile two books whose every figure was computed by hand."""
    servicer = SideBook(
        entries=(
            line("s1", IN, 10_000, "PAY-0001"),
            line("s2", OUT, 2_500, "PAY-0002"),
            line("s3", IN, 700, "PAY-0003"),  # the owner booked 650: AMOUNT, +50
            line("s4", OUT, 300, "PAY-0004"),  # only here: TIMING, -300
            line("s5", OUT, 10_000, "PAY-0005", is_reversal=True),
            line("s6", IN, 9_999, "PAY-0006", status=EntryStatus.PENDING),  # moves nothing
        ),
        opening=stated(CNY=100_000),
        closing=stated(CNY=97_900),  # 100,000 + 10,700 - 12,800
    )
    owner = SideBook(
        entries=(
            line("o1", IN, 10_000, "PAY-0001"),
            line("o2", OUT, 2_500, "PAY-0002"),
            line("o3", IN, 650, "PAY-0003"),
            line("o5", OUT, 10_000, "PAY-0005", is_reversal=True),
            line("o7", IN, 80, "PAY-0007"),  # only here: TIMING, -80 seen from the servicer
        ),
        opening=stated(CNY=100_000),
        closing=stated(CNY=98_230),  # 100,000 + 10,730 - 12,500
    )
    return reconcile(run_of(servicer, owner))


def test_worked_example_by_hand() -> None:
    """Turnover, balances and the proof amount are those of a calculation on paper."""
    result = worked_example()
    totals = row(result)
    assert totals["servicer"] == {
        "count": "5",
        "in_minor": "10700",
        "out_minor": "12800",
        "net_in_minor": "700",  # the reversal takes back 10,000
        "net_out_minor": "2800",
        "opening_minor": "100000",
        "opening_basis": "STATED",
        "closing_minor": "97900",
        "closing_basis": "STATED",
    }
    assert totals["owner"]["count"] == "5"
    assert (totals["owner"]["in_minor"], totals["owner"]["out_minor"]) == ("10730", "12500")
    assert totals["closing_difference_minor"] == "-330"
    assert totals["breaks_minor"] == "-330"  # +50 - 300 - 80
    assert totals["proof_minor"] == "0"
    assert result.complete
    assert result.balance_proven
    kinds = {tuple(item.servicer + item.owner): item.kind for item in result.breaks}
    assert kinds == {
        ("s3", "o3"): BreakKind.AMOUNT,
        ("s4",): BreakKind.TIMING,
        ("s6",): BreakKind.TIMEOUT,
        ("o7",): BreakKind.TIMING,
    }
    assert {group.servicer + group.owner for group in result.groups} == {
        ("s1", "o1"),
        ("s2", "o2"),
        ("s5", "o5"),
    }


def test_match_json_has_the_published_fields() -> None:
    """`kanhe match --json` writes the fields of the interface, amounts as decimal strings."""
    result = worked_example()
    body = match_json(result)
    assert set(body) == {
        "report", "report_digest", "complete", "balance_proven", "totals", "groups", "proposals",
        "breaks", "timing_ms",
    }  # fmt: skip
    assert body["report_digest"] == hashlib.sha256(rfc8785.dumps(result.report)).hexdigest()
    assert body["groups"][0] == {
        "pass": "e2e",
        "servicer": ["s1"],
        "owner": ["o1"],
        "currency": "CNY",
        "residual_minor": "0",
    }
    amount = next(item for item in body["breaks"] if item["kind"] == "AMOUNT")
    assert amount["signed"] == [{"currency": "CNY", "minor": "50"}]
    assert {"match", "digest", "parse"} <= set(body["timing_ms"])


# ------------------------------------------------------------------------- identities
def one_sided(
    opening: int | None,
    closing: int | None,
    entries: Sequence[Entry] = (),
    **more: Any,  # noqa: ANN401
) -> SideBook:
    """Return a book in yuan with stated balances where given."""
    return SideBook(
        entries=tuple(entries),
        opening={} if opening is None else stated(CNY=opening),
        closing={} if closing is None else stated(CNY=closing),
        **more,
    )


PAIR = (line("s1", IN, 500, "PAY-0001"),), (line("o1", IN, 500, "PAY-0001"),)


@pytest.mark.parametrize("side", list(Side))
def test_wrong_closing_is_a_balance_break_of_its_side(side: Side) -> None:
    """A closing that does not follow from the entries names side, currency and difference."""
    closings = [1_500, 1_500]
    closings[side] += 7
    books = [one_sided(1_000, closings[s], PAIR[s]) for s in Side]
    result = reconcile(run_of(*books))
    assert not result.complete
    assert failing(result) == [("flow", side.word), ("proof", None)]
    (found,) = result.breaks
    assert (found.kind, found.side, found.unexplained_minor) == (BreakKind.BALANCE, side, 7)
    # A BALANCE break never enters the proof amount: it would explain itself away.
    assert row(result)["breaks_minor"] == "0"
    assert row(result)["proof_minor"] == str(7 if side is Side.SERVICER else -7)
    assert all_hold(result)


def test_openings_apart_are_not_explained_away() -> None:
    """Two books that each add up but start apart leave a proof amount and one BALANCE break."""
    result = reconcile(run_of(one_sided(1_100, 1_600, PAIR[0]), one_sided(1_000, 1_500, PAIR[1])))
    assert failing(result) == [("proof", None)]
    assert [(item.kind, item.side) for item in result.breaks] == [(BreakKind.BALANCE, None)]
    assert row(result)["proof_minor"] == "100"
    assert not result.balance_proven


def test_opening_must_be_the_previous_closing() -> None:
    """An opening other than the previous closing is a failing identity of that side."""
    servicer = one_sided(1_000, 1_500, PAIR[0], previous_closing=stated(CNY=900))
    result = reconcile(run_of(servicer, one_sided(1_000, 1_500, PAIR[1])))
    assert failing(result) == [("opening", "servicer")]
    (found,) = result.breaks
    assert (found.kind, found.unexplained_minor) == (BreakKind.BALANCE, 100)


def test_a_gap_between_statements_is_named() -> None:
    """A missing statement is a STATEMENT_GAP, and the run is not complete."""
    servicer = one_sided(1_000, 1_500, PAIR[0], gaps=("CNY: closing 1 , next opening 2",))
    result = reconcile(run_of(servicer, one_sided(1_000, 1_500, PAIR[1])))
    assert [item.kind for item in result.breaks] == [BreakKind.STATEMENT_GAP]
    assert result.report["gaps"]["servicer"] == ["CNY: closing 1 , next opening 2"]
    assert not result.complete


@pytest.mark.parametrize(
    ("servicer", "owner"),
    [
        ((None, None), (None, None)),
        ((1_000, 1_500), (None, None)),
        ((None, None), (1_000, 1_500)),
        ((None, 1_500), (1_000, 1_500)),
        ((1_000, None), (1_000, 1_500)),
    ],
)
def test_derived_balances_prove_nothing(
    servicer: tuple[int | None, int | None], owner: tuple[int | None, int | None]
) -> None:
    """Where a balance is only derived, the flow is reconciled and the balance is not proven."""
    books = one_sided(*servicer, PAIR[0]), one_sided(*owner, PAIR[1])
    result = reconcile(run_of(*books))
    assert result.complete
    assert not result.balance_proven
    assert result.report["says"] == "complete: flow reconciled, balance not proven"
    assert row(result)["proof_minor"] == "0"


def test_empty_books_are_complete_and_prove_nothing() -> None:
    """Two empty books have no totals, no breaks and no proven balance."""
    result = reconcile(run_of(SideBook(entries=()), SideBook(entries=())))
    assert (result.complete, result.balance_proven, result.breaks) == (True, False, ())
    assert all_hold(result)


# ------------------------------------------------------------------ random consistent books
amounts = st.integers(1, 60) | st.integers(1, 10**12)
keys = st.none() | st.sampled_from([f"REF-{number:04d}" for number in range(6)])


@st.composite
def books(draw: st.DrawFn, prefix: str) -> SideBook:
    """Draw a consistent book: its closing follows from its opening and its moving entries."""
    count = draw(st.integers(0, 8))
    entries = [
        line(
            f"{prefix}{number}",
            draw(st.sampled_from(list(Direction))),
            draw(amounts),
            draw(keys),
            currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
            booking_date=DAY - draw(st.integers(0, 9)),
            value_date=draw(st.none() | st.integers(DAY - 9, DAY + 3)),
            status=draw(st.sampled_from([EntryStatus.BOOKED] * 4 + list(EntryStatus))),
            group_ref=draw(st.none() | st.sampled_from(["GRP-1", "GRP-2"])),
            counterparty_account=draw(st.none() | st.sampled_from(["99010001", "99010002"])),
            is_reversal=draw(st.booleans()),
        )
        for number in range(count)
    ]
    closing = {"CNY": 5_000, "USD": -70}
    for entry in entries:
        if entry.moving:
            closing[entry.currency] += entry.signed_minor
    return SideBook(
        entries=tuple(entries), opening=stated(CNY=5_000, USD=-70), closing=stated(**closing)
    )


@settings(max_examples=15)
@given(books("s"), books("o"), st.randoms(use_true_random=False), st.booleans())
def test_consistent_books_prove_themselves(
    servicer: SideBook, owner: SideBook, order: random.Random, tolerant: bool
) -> None:
    """The proof amount is zero, the report verifies, and no order of lines changes its digest."""
    terms = tolerant_terms() if tolerant else None
    result = reconcile(run_of(servicer, owner, terms=terms))
    assert result.complete, failing(result)
    assert result.balance_proven
    assert all(item["proof_minor"] == "0" for item in result.report["totals"])
    assert all_hold(result)
    shuffled = []
    for book in (servicer, owner):
        entries = list(book.entries)
        order.shuffle(entries)
        shuffled.append(dataclasses.replace(book, entries=tuple(entries)))
    assert reconcile(run_of(*shuffled, terms=terms)).digest == result.digest


@settings(max_examples=10)
@given(books("s"), books("o"), st.integers(-9, 9).filter(bool), st.sampled_from(list(Side)))
def test_a_book_off_by_any_amount_is_not_complete(
    servicer: SideBook, owner: SideBook, off: int, side: Side
) -> None:
    """Whatever a closing is off by stands, to the last fen, in the proof amount."""
    sides = [servicer, owner]
    closing = dict(sides[side].closing)
    closing["CNY"] = Balance.of_signed(closing["CNY"].signed_minor + off, DAY, STATED)
    sides[side] = dataclasses.replace(sides[side], closing=closing)
    result = reconcile(run_of(*sides))
    assert not result.complete
    assert int(row(result)["proof_minor"]) == (off if side is Side.SERVICER else -off)
    assert BreakKind.BALANCE in {item.kind for item in result.breaks}


@settings(max_examples=12)
@given(books("s"), books("o"), books("t"), books("p"))
def test_a_second_run_starts_where_the_first_ended(
    servicer: SideBook, owner: SideBook, later_s: SideBook, later_o: SideBook
) -> None:
    """Carried items read back from the report keep the second run's proof at zero."""
    terms = tolerant_terms()
    first = reconcile(run_of(servicer, owner, terms=terms))
    carry = carry_of(first.report)
    assert carry.carried == first.carried
    assert carry.residuals == first.residuals
    following = []
    for side, book in ((Side.SERVICER, later_s), (Side.OWNER, later_o)):
        opening = {code: minor for code, (minor, _) in carry.closing[side].items()}
        for entry in book.entries:
            opening.setdefault(entry.currency, 0)
        closing = dict(opening)
        for entry in book.entries:
            if entry.moving:
                closing[entry.currency] += entry.signed_minor
        following.append(
            dataclasses.replace(
                book,
                carried=carry.carried[side],
                opening=stated(**opening),
                closing=stated(**closing),
                previous_closing=stated(**{c: m for c, (m, _) in carry.closing[side].items()}),
            )
        )
    second = reconcile(
        run_of(
            *following,
            terms=terms,
            window=window_of(DAY + 1),
            previous_window=carry.window,
            residuals=carry.residuals,
            written_off=carry.written_off,
            held=carry.held,
            rejected=carry.rejected,
            last_decisions=carry.last_decisions,
        ),
        previous_agreed_digest=first.digest,
    )
    assert second.complete, failing(second)
    assert all_hold(second)
    assert second.report["previous_agreed_digest"] == first.digest.hex()
    before = {(item.entry.entry_ref, item.break_key) for side in first.carried for item in side}
    after = {item.entry.entry_ref: item for side in second.carried for item in side}
    merged = {key for item in second.breaks for key in (item.key, *item.merged_keys)}
    # A break that stays open keeps its key, or is listed under the one it merged with.
    assert all(key in merged for ref, key in before if ref in after)


# ----------------------------------------------------- residuals, write-offs, decisions
def test_a_residual_stays_open_until_an_entry_books_it() -> None:
    """A tolerated difference is a residual of its own line; the entry that books it closes it."""
    terms = tolerant_terms()
    books_ = (
        one_sided(0, 1_000, [line("s1", IN, 1_000, "PAY-0001")]),
        one_sided(0, 996, [line("o1", IN, 996, "PAY-0001")]),
    )
    first = reconcile(run_of(*books_, terms=terms))
    assert first.complete
    assert row(first)["residual_minor"] == "4"
    (residual,) = first.residuals
    assert residual.subject == group_subject(AGREEMENT, ["s1"], ["o1"])
    booking = line("o2", IN, 4, group_ref=residual.subject.hex(), booking_date=DAY + 1)
    second = reconcile(
        run_of(
            one_sided(1_000, 1_000),
            one_sided(996, 1_000, [booking]),
            terms=terms,
            window=window_of(DAY + 1),
            previous_window=window_of(DAY),
            residuals=first.residuals,
        )
    )
    assert second.complete
    assert second.residuals == ()
    assert [item["entry_ref"] for item in second.report["booked"]] == ["o2"]
    assert second.breaks == ()
    assert all_hold(second)


def test_a_written_off_break_is_a_line_of_its_own() -> None:
    """A write-off by both leaves the breaks and stands as written off until it is booked."""
    lonely = line("s1", IN, 30, "PAY-0001")
    first = reconcile(run_of(one_sided(0, 30, [lonely]), one_sided(0, 0)))
    (found,) = first.breaks
    assert found.key == break_key(AGREEMENT, Side.SERVICER, "s1")
    verdict = Decision(found.key, ZERO32, "write_off", ("s1",), (), "clerk-1")
    second = reconcile(
        run_of(
            one_sided(30, 30, carried=first.carried[0], decisions=(verdict,)),
            one_sided(0, 0, decisions=(msgspec.structs.replace(verdict, decider="clerk-2"),)),
            window=window_of(DAY + 1),
            previous_window=window_of(DAY),
        )
    )
    assert second.complete
    assert second.breaks == ()
    assert row(second)["written_off_minor"] == "30"
    assert second.report["decisions"][0]["hash"] == decision_hash(verdict).hex()
    assert "decider" not in second.report["decisions"][0]
    assert all_hold(second)
    third = reconcile(
        run_of(
            one_sided(30, 30),
            one_sided(0, 30, [line("o9", IN, 30, group_ref=found.key.hex())]),
            window=window_of(DAY + 1),
            previous_window=window_of(DAY),
            written_off=second.written_off,
        )
    )
    assert third.complete
    assert third.written_off == ()


def test_an_unmatched_group_returns_without_moving_twice() -> None:
    """Entries of a group taken apart are open again, and their amounts count only once."""
    first = reconcile(run_of(one_sided(0, 500, PAIR[0]), one_sided(0, 500, PAIR[1])))
    subject = group_subject(AGREEMENT, ["s1"], ["o1"])
    verdict = Decision(subject, ZERO32, "unmatch", ("s1",), ("o1",), "clerk")
    second = reconcile(
        run_of(
            one_sided(500, 500, decisions=(verdict,)),
            one_sided(500, 500, decisions=(verdict,)),
            window=window_of(DAY + 1),
            previous_window=window_of(DAY),
            agreed_groups=(AgreedGroup(first.groups[0], *PAIR),),
        )
    )
    assert second.complete
    assert row(second)["servicer"]["count"] == "0"
    assert {ref for item in second.breaks for ref in item.servicer + item.owner} == {"s1", "o1"}
    assert second.report["standing"]["held"] == {"servicer": ["s1"], "owner": ["o1"]}


def test_an_amendment_of_a_settled_entry_moves_nothing() -> None:
    """A later version of a grouped entry changes neither turnover nor group, and is listed."""
    first = reconcile(run_of(one_sided(0, 500, PAIR[0]), one_sided(0, 500, PAIR[1])))
    later = msgspec.structs.replace(PAIR[0][0], version=1, counterparty_name="霁岫")
    second = reconcile(
        run_of(
            one_sided(500, 500, [later]),
            one_sided(500, 500),
            previous_window=window_of(DAY),
            agreed_groups=(AgreedGroup(first.groups[0], *PAIR),),
        )
    )
    assert second.complete
    assert second.breaks == ()
    assert second.report["listed"] == [
        {"side": "servicer", "entry_ref": "s1", "version": "1", "why": "amendment"}
    ]


# --------------------------------------------------------------------------- clearing
def test_clearing_counts_by_date_session_and_type() -> None:
    """The clearing table compares counts and sums line by line and says what breaks explain."""
    place = {"settlement_date": DAY, "session": 1, "business_type": "PURCHASE"}
    servicer = [line("s1", IN, 100, "PAY-0001", **place), line("s2", IN, 40, "PAY-0002", **place)]
    # The owner does not say session and type: its partner's line counts.
    owner = [line("o1", IN, 100, "PAY-0001", settlement_date=DAY)]
    result = reconcile(
        run_of(
            SideBook(entries=tuple(servicer)),
            SideBook(entries=tuple(owner)),
            kind=AgreementKind.CLEARING,
        )
    )
    (table,) = result.report["clearing"]
    assert table["servicer"] == {"count": "2", "in_minor": "140", "out_minor": "0"}
    assert table["owner"] == {"count": "1", "in_minor": "100", "out_minor": "0"}
    assert (table["difference_minor"], table["breaks_minor"]) == ("40", "40")
    assert not table["agrees"]


@pytest.mark.parametrize(("paid", "holds"), [(135, True), (136, False)])
def test_settlement_is_the_net_of_its_parts(paid: int, holds: bool) -> None:
    """A settlement entry is sum IN - sum OUT - fees of the parts that name it."""
    parts = [
        line("s1", IN, 200, "PAY-0001", group_ref="NET-1", fee_minor=5),
        line("s2", OUT, 60, "PAY-0002", group_ref="NET-1"),
        line("s3", OUT, paid, "PAY-0003", group_ref="NET-1", kind="SETTLEMENT"),
    ]
    mirrored = [msgspec.structs.replace(item, entry_ref="o" + item.entry_ref) for item in parts]
    result = reconcile(
        run_of(
            SideBook(entries=tuple(parts)),
            SideBook(entries=tuple(mirrored)),
            kind=AgreementKind.CLEARING,
        )
    )
    assert result.complete is holds


# -------------------------------------------------------------------- bytes and digests
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


# ----------------------------------------------------------------------- verification
def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Return the path of every leaf of a JSON value."""
    if isinstance(value, dict):
        return [p for name, item in value.items() for p in leaves_of(item, (*path, name))]
    if isinstance(value, list):
        return [p for place, item in enumerate(value) for p in leaves_of(item, (*path, place))]
    return [path]


def changed(value: Any) -> Any:  # noqa: ANN401 - a JSON leaf
    """Return another leaf of the same kind."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return "x"
    return str(int(value) + 1) if value.lstrip("-").isdigit() else value + "0"


def test_any_changed_leaf_is_found() -> None:
    """Changing any single value of a report fails its verification against the signed digest."""
    result = worked_example()
    for path in leaves_of(result.report):
        report = copy.deepcopy(result.report)
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = changed(place[path[-1]])
        checks = verify_report(report, result.groups, result.proposals, digest=result.digest)
        assert not all(check.ok for check in checks), path


FORGED = [
    ("proof", lambda r: r["totals"][0].update(proof_minor="1")),
    ("flow", lambda r: r["totals"][0]["servicer"].update(in_minor="10701")),
    ("explained", lambda r: r["totals"][0].update(breaks_minor="-331")),
    ("explained", lambda r: r["residuals"].append(
        {"subject": "00", "currency": "CNY", "minor": "5"})),
    ("breaks", lambda r: r["breaks"][0]["signed"][0].update(minor="7")),
    ("breaks", lambda r: r["carried"]["servicer"].pop()),
    ("breaks", lambda r: r["carried"]["servicer"][0]["entry"].update(amount_minor="1")),
    ("keys", lambda r: r["breaks"][0].update(key="ab" * 32)),
    ("once", lambda r: r["breaks"][0]["servicer"].append("s1")),
    ("groups", lambda r: r.update(groups_root="00" * 32)),
    ("groups", lambda r: r.update(group_count="4")),
    ("verdict", lambda r: r.update(complete=False)),
    ("verdict", lambda r: r.update(balance_proven=False)),
    ("verdict", lambda r: r["identities"][0].update(holds=False)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "forge"), FORGED)
def test_a_forged_report_fails_its_own_check(name: str, forge: Any) -> None:  # noqa: ANN401
    """Even without the signed digest a forgery contradicts something in the report itself."""
    result = worked_example()
    report = copy.deepcopy(result.report)
    forge(report)
    checks = verify_report(report, result.groups, result.proposals)
    assert name in {check.name for check in checks if not check.ok}


def test_changed_groups_are_found() -> None:
    """A group left out, changed or moved does not hash to groups_root."""
    result = worked_example()
    for groups in (
        result.groups[1:],
        result.groups[::-1],
        (dataclasses.replace(result.groups[0], pass_name="tx"), *result.groups[1:]),
    ):
        checks = verify_report(result.report, groups, digest=result.digest)
        assert "groups" in {check.name for check in checks if not check.ok}


def test_section_digests_show_where_reports_differ() -> None:
    """Two reports differ exactly in the sections whose digests differ."""
    run = run_of(one_sided(0, 500, PAIR[0]), one_sided(0, 500, PAIR[1]))
    first, second = reconcile(run), reconcile(run, owner_head=b"\x07" * 32)
    mine, theirs = dict(section_digests(first.report)), dict(section_digests(second.report))
    assert {name for name in mine if mine[name] != theirs[name]} == {"heads"}
    assert report_digest(first.report) == first.digest == digest_of(first.report)
