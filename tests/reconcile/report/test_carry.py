from __future__ import annotations

import dataclasses
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from report_books import (
    AGREEMENT,
    DAY,
    IN,
    PAIR,
    STATED,
    all_hold,
    books,
    failing,
    line,
    one_sided,
    row,
    run_of,
    stated,
    tolerant_terms,
)

from reconcile.matching.keys import break_key, decision_hash, group_subject
from reconcile.matching.run_input import AgreedGroup
from reconcile.model import (
    ZERO32,
    Balance,
    BreakKind,
    Decision,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import (
    carry_of,
    reconcile,
)


@settings(max_examples=25)
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


@settings(max_examples=20)
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
