"""Why a break is one: which fields differ, what each pass tried, and one sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from node.services.breaks.views import BreakRow, Tried
from reconcile.counting import counted, money
from reconcile.matching.normalise import compile_chain
from reconcile.model import CARRIER_BY_WORD, Entry, Side, day_iso
from reconcile.report import missing_statements
from reconcile.terms import KeyPair, MatchPass, Terms

# What is ours alone (ref, version) or only orders entries differs by nature.
COMPARED: Final = (
    "direction",
    "amount_minor",
    "currency",
    "booking_date",
    "value_date",
    "status",
    "is_reversal",
    "references",
    "counterparty_name",
    "counterparty_account",
    "remittance",
    "fee_minor",
    "group_ref",
)
SHOWN: Final = 40


def differing_fields(servicer: Sequence[Entry], owner: Sequence[Entry]) -> tuple[str, ...]:
    """Return the fields in which one entry of each side differ; a missing one agrees."""
    if len(servicer) != 1 or len(owner) != 1:
        return ()
    left, right = servicer[0], owner[0]
    found = []
    for name in COMPARED:
        a, b = getattr(left, name), getattr(right, name)
        if a is None or b is None or a == b:
            continue
        if name == "references":
            other = dict(b)
            if all(other.get(carrier, text) == text for carrier, text in a):
                continue
        found.append(name)
    return tuple(found)


def tried_passes(
    terms: Terms, servicer: Sequence[Entry], owner: Sequence[Entry]
) -> tuple[Tried, ...]:
    """Return what each pass of the terms makes of a break's entries, in the order of the terms."""
    return tuple(_tried(rule, terms, servicer, owner) for rule in terms.passes)


def _tried(
    rule: MatchPass, terms: Terms, servicer: Sequence[Entry], owner: Sequence[Entry]
) -> Tried:
    def say(verdict: str, why: str, *facts: str) -> Tried:
        return Tried(rule.name, rule.confirm, verdict, why, facts)

    for side, entries in ((Side.SERVICER, servicer), (Side.OWNER, owner)):
        missing = _missing_key(rule, entries, side)
        if entries and missing:
            why = f"the {side.word}'s entry has no usable {missing}"
            return say("NO_KEY", why, side.word, missing)
    if not servicer or not owner:
        return say("NO_COUNTERPART", "no entry of the other side has the same key")
    left, right = servicer[0], owner[0]
    for pair in rule.keys:
        a = _value(pair, left, Side.SERVICER)
        b = _value(pair, right, Side.OWNER)
        if a != b:
            texts = (pair.servicer, str(a)[:SHOWN], str(b)[:SHOWN])
            return say("KEY_DIFFERS", "{} {} is not {}".format(*texts), *texts)
    if left.currency != right.currency:
        currencies = (left.currency, right.currency)
        return say("CURRENCY_DIFFERS", "{} is not {}".format(*currencies), *currencies)
    sums = (sum(e.signed_minor for e in servicer), sum(e.signed_minor for e in owner))
    if abs(sums[0] - sums[1]) > rule.amount.tolerance_minor:
        places = terms.currencies.get(left.currency, 0)
        why = f"{left.currency} {money(sums[0], places)} is not {money(sums[1], places)}"
        return say("AMOUNT_DIFFERS", why, left.currency, str(sums[0]), str(sums[1]))
    distance = _distance(terms, left, right)
    if distance > rule.value_date_days:
        days = counted(distance, "business day")
        why = f"{days} apart, at most {rule.value_date_days} may be"
        return say("TOO_FAR", why, str(distance), str(rule.value_date_days))
    if rule.confirm != "always":
        apart = _told_apart(terms, left, right)
        if apart is not None:
            why = "{} {} is not {}: not one payment".format(*apart)
            return say("TOLD_APART", why, *apart)
        return say("NOT_CONFIRMED", "it agrees, but not alone: a person confirms it")
    return say("SETTLED_OTHERWISE", "it agrees, but another entry was first or it is held")


def _told_apart(terms: Terms, left: Entry, right: Entry) -> tuple[str, str, str] | None:
    """Return which reference forbids the pair outside `always` passes, None for none."""
    for pair in (pair for rule in terms.passes if rule.tells_apart for pair in rule.keys):
        a, b = _value(pair, left, Side.SERVICER), _value(pair, right, Side.OWNER)
        if a is not None and b is not None and a != b:
            return pair.servicer, a[:SHOWN], b[:SHOWN]
    return None


def _missing_key(rule: MatchPass, entries: Sequence[Entry], side: Side) -> str | None:
    for pair in rule.keys:
        if any(_value(pair, entry, side) is None for entry in entries):
            return pair.carrier(side)
    return None


def _value(pair: KeyPair, entry: Entry, side: Side) -> str | None:
    carrier = pair.carrier(side)
    known = CARRIER_BY_WORD.get(carrier)
    raw = getattr(entry, carrier, None) if known is None else entry.reference(known)
    return compile_chain(pair.normalise, pair.min_length)(raw)


def _distance(terms: Terms, left: Entry, right: Entry) -> int:
    days = terms.common_calendar
    first, second = (entry.value_date or entry.booking_date for entry in (left, right))
    return abs(days.ordinal(first) - days.ordinal(second))


def sentence(servicer: Sequence[Entry], owner: Sequence[Entry], digits: dict[str, int]) -> str:
    """Return in one sentence what is known."""
    if servicer and owner:
        return (
            f"{_booked('The servicer', servicer, digits)}; {_booked('the owner', owner, digits)}."
        )
    entries = servicer or owner
    who, other = ("The servicer", "the owner") if servicer else ("The owner", "the servicer")
    return f"{_booked(who, entries, digits)}; {other} has nothing that matches."


def bare_sentence(row: BreakRow, report: Mapping[str, Any], digits: Mapping[str, int]) -> str:
    """Return what to ask for where a balance or a statement does not follow."""
    codes = {code for code, _ in row.signed} or {""}
    asked = [
        f"ask {f'the {item.side}' if item.side else 'both sides'} for {item.says}"
        for item in missing_statements(report, digits)
        if item.kind == row.kind and item.currency in codes
    ]
    return f"{row.kind}: {'; '.join(asked) or f'an identity of window {row.window} fails'}."


def _booked(who: str, entries: Sequence[Entry], digits: dict[str, int]) -> str:
    first = entries[0]
    places = digits.get(first.currency, 0)
    amount = money(first.amount_minor, places)
    ref = next((text for _, text in first.references), first.entry_ref)
    more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
    return (
        f"{who} booked {first.direction.name} {first.currency} {amount} on "
        f"{day_iso(first.booking_date)} under {ref[:SHOWN]}{more}"
    )
