from __future__ import annotations

import msgspec
import pytest
from matching_books import FIRST_DAY, one_pass
from matching_both import match
from matching_runs import AGREEMENT, entry, run_of

from reconcile.breaks import classify
from reconcile.matching import RunInput
from reconcile.matching.keys import break_key, decision_hash, group_subject
from reconcile.matching.run_input import AgreedGroup
from reconcile.model import (
    ZERO32,
    CarriedItem,
    Decision,
    Entry,
    EntryStatus,
    InputError,
    MatchGroup,
    OpenResidual,
    Side,
    SideBook,
    WrittenOff,
)
from reconcile.terms import Terms


def decision(
    verdict: str,
    servicer: tuple[str, ...],
    owner: tuple[str, ...],
    *,
    decider: str = "d1",
    previous: bytes = ZERO32,
    subject: bytes | None = None,
) -> Decision:
    """Return a decision on a set of refs."""
    named = subject or group_subject(AGREEMENT, servicer, owner)
    return Decision(named, previous, verdict, servicer, owner, decider)


def decided(
    decisions: tuple[Decision, ...], servicer: tuple[Entry, ...], owner: tuple[Entry, ...]
) -> RunInput:
    """Return a run whose streams both hold the decisions, each side's by another person."""
    theirs = tuple(msgspec.structs.replace(item, decider="d2") for item in decisions)
    return run_of(SideBook(servicer, decisions=decisions), SideBook(owner, decisions=theirs))


def test_highest_version_counts_and_a_repeat_is_listed() -> None:
    """An amendment replaces what it amends; byte-equal repeats count once."""
    pending = entry("s", key="KEY1", status=EntryStatus.PENDING)
    booked = msgspec.structs.replace(pending, version=1, status=EntryStatus.BOOKED)
    matched = match(run_of((booked, pending, booked), (entry("o", key="KEY1"),)))
    assert [(g.servicer, g.owner) for g in matched.groups] == [(("s",), ("o",))]
    assert [(item.entry_ref, item.version, item.why) for item in matched.listed] == [
        ("s", 1, "repeat")
    ]


def test_one_version_with_two_contents_is_refused() -> None:
    """The same entry_ref and version with other content names the entry."""
    with pytest.raises(InputError, match="ENTRY_CONFLICT") as caught:
        match(run_of((entry("s", 100), entry("s", 101)), ()))
    assert "'s'" in caught.value.message


def test_an_amendment_of_a_grouped_entry_changes_no_group() -> None:
    """It is listed, and neither matched again nor broken."""
    old = MatchGroup("e2e", ("s",), ("o",), "CNY", 0)
    agreed = AgreedGroup(old, (entry("s", key="KEY1"),), (entry("o", key="KEY1"),))
    amended = entry("s", key="KEY1", version=1, counterparty_name="Alpha")
    run = run_of((amended,), (entry("o2", key="KEY1"),), agreed_groups=(agreed,))
    matched = match(run)
    assert matched.groups == ()
    assert [(item.entry_ref, item.why) for item in matched.listed] == [("s", "amendment")]
    assert [item.servicer + item.owner for item in classify(run, matched)] == [("o2",)]


def test_carried_items_match_with_their_old_dates() -> None:
    """An item of an earlier report pairs before a newer twin; the twin stays open."""
    old = entry("s-old", key="KEY1", booking_date=FIRST_DAY - 3, value_date=FIRST_DAY - 1)
    book = SideBook((entry("s-new", key="KEY1"),), carried=(CarriedItem(old, b"k" * 32),))
    late = entry("o", key="KEY1", booking_date=FIRST_DAY - 3, value_date=FIRST_DAY)
    matched = match(run_of(book, (late,)))
    assert [g.servicer for g in matched.groups] == [("s-old",)]


def test_a_confirmation_groups_what_no_pass_would() -> None:
    """Both sides posted it; the deciders may differ; the residual stays open."""
    run = decided((decision("confirm", ("s",), ("o",)),), (entry("s", 100),), (entry("o", 90),))
    matched = match(run)
    assert [(g.pass_name, g.residual_minor) for g in matched.groups] == [("decision", 10)]
    assert matched.residuals == (OpenResidual(group_subject(AGREEMENT, ("s",), ("o",)), "CNY", 10),)
    assert [item.void_reason for item in matched.decisions] == [None]


def test_a_decision_of_one_side_alone_waits() -> None:
    """It takes effect in the first run in which both streams hold it."""
    mine = SideBook((entry("s", 100),), decisions=(decision("confirm", ("s",), ("o",)),))
    matched = match(run_of(mine, (entry("o", 90),)))
    assert matched.groups == ()
    assert matched.decisions == ()


def test_a_rejected_set_is_never_confirmed_or_proposed_again() -> None:
    """Not in its run, and not in a later one that is given it."""
    books = (entry("s", key="KEY1"),), (entry("o", key="KEY1"),)
    matched = match(decided((decision("reject", ("s",), ("o",)),), *books))
    assert matched.groups == ()
    assert matched.proposals == ()
    later = match(run_of(*books, rejected=matched.rejected))
    assert later.groups == ()
    assert later.proposals == ()
    assert later.near == ()


def test_unmatched_entries_return_with_their_dates_and_are_held() -> None:
    """Only a decision groups them again."""
    s, o = entry("s", key="KEY1", booking_date=FIRST_DAY - 9), entry("o", key="KEY1")
    old = MatchGroup("e2e", ("s",), ("o",), "CNY", 0)
    subject = group_subject(AGREEMENT, ("s",), ("o",))
    first = decision("unmatch", ("s",), ("o",))
    book = SideBook((), decisions=(first,))
    run = run_of(book, book, agreed_groups=(AgreedGroup(old, (s,), (o,)),))
    matched = match(run)
    assert matched.groups == ()
    assert matched.open == ((s,), (o,))
    assert matched.held == (frozenset({"s"}), frozenset({"o"}))
    assert {item.age_days for item in classify(run, matched)} == {6, 0}
    again = decision("confirm", ("s",), ("o",), previous=decision_hash(first))
    later = match(
        run_of(
            SideBook((), carried=(CarriedItem(s, b"k" * 32),), decisions=(again,)),
            SideBook((), carried=(CarriedItem(o, b"l" * 32),), decisions=(again,)),
            held=matched.held,
            last_decisions=((subject, decision_hash(first)),),
        )
    )
    assert [g.pass_name for g in later.groups] == ["decision"]
    assert later.held == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("decisions", "reasons"),
    [
        ((decision("confirm", ("s",), ("gone",)),), ["NOT_OPEN"]),
        ((decision("unmatch", ("s",), ("o",)),), ["NO_GROUP"]),
        ((decision("confirm", ("s",), ("o",), subject=b"x" * 32),), ["SUBJECT"]),
        ((decision("confirm", ("s",), ("o",), previous=b"p" * 32),), ["OTHER_PREVIOUS"]),
        ((decision("confirm", (), (), subject=b"x" * 32),), ["REFS"]),
        ((decision("confirm", ("s", "s"), ()),), ["REFS"]),
        ((decision("confirm", ("s",), ("p",)),), ["NOT_MOVING"]),
        ((decision("confirm", ("s",), ("usd",)),), ["CURRENCIES"]),
        ((decision("write_off", ("s",), (), subject=b"x" * 32),), ["SUBJECT"]),
        (
            (decision("confirm", ("s",), ("o",)), decision("reject", ("s",), ("o",))),
            ["SAME_PREVIOUS", "SAME_PREVIOUS"],
        ),
    ],
)
def test_void_decisions_are_listed_with_their_reason(
    decisions: tuple[Decision, ...], reasons: list[str]
) -> None:
    """A decision that cannot apply changes nothing and says why."""
    owner = (
        entry("o", 90),
        entry("p", 90, status=EntryStatus.PENDING),
        entry("usd", 90, currency="USD"),
    )
    matched = match(decided(decisions, (entry("s", 100),), owner))
    assert [item.void_reason for item in matched.decisions] == reasons
    assert matched.groups == ()
    assert matched.last_decisions == ()


def test_a_chain_of_decisions_applies_in_its_order() -> None:
    """Confirm, then unmatch naming it: both take effect in one run, and the entries are held."""
    first = decision("confirm", ("s",), ("o",))
    second = decision("unmatch", ("s",), ("o",), previous=decision_hash(first))
    run = decided((second, first), (entry("s", 100),), (entry("o", 90),))
    matched = match(run)
    assert [item.void_reason for item in matched.decisions] == [None, None]
    assert matched.groups == ()
    assert matched.residuals == ()
    assert matched.held == (frozenset({"s"}), frozenset({"o"}))


def test_a_write_off_is_its_own_line_until_an_entry_books_it() -> None:
    """The break leaves, the amount stays open, and leaves when its booking arrives."""
    key = break_key(AGREEMENT, Side.SERVICER, "s")
    run = decided((decision("write_off", ("s",), (), subject=key),), (entry("s", 7),), ())
    matched = match(run)
    assert classify(run, matched) == ()
    assert matched.written_off == (WrittenOff(key, key, "CNY", 7),)
    assert matched.residuals == ()
    books_it = entry("o", 7, group_ref=key.hex())
    later_run = run_of((), (books_it,), written_off=matched.written_off)
    later = match(later_run)
    assert later.written_off == ()
    assert [(g.pass_name, g.owner) for g in later.groups] == [("booking", ("o",))]
    assert classify(later_run, later) == ()


def test_an_entry_that_names_a_residual_books_it() -> None:
    """Partly at first: what is left stays open."""
    subject = group_subject(AGREEMENT, ("s",), ("o",))
    open_before = (OpenResidual(subject, "CNY", 10),)
    part = entry("o2", 6, group_ref=subject.hex().upper())
    matched = match(run_of((), (part,), residuals=open_before))
    assert matched.residuals == (OpenResidual(subject, "CNY", 4),)
    assert [(item.entry_ref, item.minor) for item in matched.booked] == [("o2", -6)]


def test_a_residual_of_this_very_run_can_be_booked_in_it() -> None:
    """The fee arrives with the payment it belongs to."""
    subject = group_subject(AGREEMENT, ("s",), ("o",))
    fee = entry("fee", -10, group_ref=subject.hex())
    run = decided((decision("confirm", ("s",), ("o",)),), (entry("s", 90),), (entry("o", 100), fee))
    matched = match(run)
    assert matched.residuals == ()
    assert classify(run, matched) == ()


def test_a_reversal_links_to_its_original_and_its_group_stays() -> None:
    """The link has no amount; the original's group is named by its subject."""
    reversal = entry("s2", -100, is_reversal=True, reversal_of="s")
    matched = match(run_of((entry("s", key="KEY1"), reversal), (entry("o", key="KEY1"),)))
    subject = group_subject(AGREEMENT, ("s",), ("o",))
    assert [(link.entry_ref, link.original_ref, link.subject) for link in matched.links] == [
        ("s2", "s", subject)
    ]
    assert [g.servicer for g in matched.groups] == [("s",)]


def test_a_shape_the_engine_does_not_form_is_refused() -> None:
    """An unknown shape is refused, never ignored."""
    rule = one_pass("all", "end_to_end_id", shape=("2:2",))
    run = run_of((), (), terms=Terms(currencies={"CNY": 2}, passes=(rule,)))
    with pytest.raises(InputError, match="TERMS_SHAPE_UNSUPPORTED"):
        match(run)
