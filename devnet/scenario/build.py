"""From a seed to both sides' books, day by day, with the labels of what must be found."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from devnet.scenario.cases import cases_of
from devnet.scenario.forge import Forge
from devnet.scenario.names import BRANCHES, BUSINESS_TYPES, FIRMS, REMITTANCES
from devnet.scenario.rules import Flavour, scenario_calendar, scenario_terms
from devnet.scenario.shapes import Case, OpenCase, Place, Refs, refs_of
from reconcile.model import (
    MOVING_STATUSES,
    AgreementKind,
    Balance,
    BalanceBasis,
    BreakKind,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    Mark,
    Side,
    SideBook,
    day_number,
)
from reconcile.report.memory import no_collection
from reconcile.terms import Terms

DEFAULT_DAY: Final = day_number(dt.date(2026, 11, 20))
# One special case in so many payments, once every kind of case occurs.
CASES_PER_MILLE: Final = 20
# Of so few payments, this part may be special.
SMALL_PART: Final = 4
OPENING_ITEMS: Final = 3
OPENING_BALANCE_MINOR: Final = 5_000_000_000
USD_OPENING_MINOR: Final = 250_000_000
_OCCURRED_FROM_MS: Final = 8 * 3_600_000
_OCCURRED_SPAN_MS: Final = 12 * 3_600_000
_CHINA_MS: Final = 8 * 3_600_000
_DAY_MS: Final = 86_400_000
_AMOUNT_LIMIT: Final = 5_000_000
_BULK_BITS: Final = 257
_MASK: Final = 2**32 - 1
_VALUE_NEXT_DAY_IN: Final = 20
_ONE_SIDED: Final = frozenset(
    {
        BreakKind.TIMING,
        BreakKind.DUPLICATE,
        BreakKind.MISSING_AT_OWNER,
        BreakKind.MISSING_AT_SERVICER,
    }
)


@dataclass(frozen=True, slots=True)
class Book:
    """One side's book of one day: entries in booking order, balances by currency, signed."""

    entries: tuple[Entry, ...]
    opening: Mapping[str, int]
    closing: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScenarioDay:
    """One business day: both books and what a run over it must find (interfaces.md, labels)."""

    day: int
    servicer: Book
    owner: Book
    labels: dict[str, Any]

    def book(self, side: Side) -> Book:
        """Return one side's book."""
        return (self.servicer, self.owner)[side]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Both sides' books over some business days.

    `opening_items`: by side, what is in transit before the first day (window 0); `opening`: by
    side, the book balances then. Without them the first day starts from equal balances.
    """

    seed: int
    entries: int
    kind: AgreementKind
    terms: Terms
    days: tuple[ScenarioDay, ...]
    opening_items: tuple[tuple[Entry, ...], tuple[Entry, ...]] = ((), ())
    opening: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})

    @property
    def servicer(self) -> Book:
        """Return the servicer's book of the first day."""
        return self.days[0].servicer

    @property
    def owner(self) -> Book:
        """Return the owner's book of the first day."""
        return self.days[0].owner

    @property
    def labels(self) -> dict[str, Any]:
        """Return what the first day's run must find."""
        return self.days[0].labels


def make_scenario(
    seed: int,
    entries: int,
    *,
    kind: AgreementKind = AgreementKind.BANK_ENTERPRISE,
    day: int = DEFAULT_DAY,
    days: int = 1,
    sessions: int = 1,
    opening_items: bool = False,
    flavour: Flavour = Flavour.PLAIN,
) -> Scenario:
    """Return about `entries` entries a side and day; the same arguments give the same bytes.

    `days` > 1 lets later days resolve earlier breaks. `opening_items` puts items in transit into
    window 0, which the first day resolves. `sessions` numbers clearing sessions from 0. `flavour`
    HARD adds adversarial cases and holidays, OPTED holds those alone, under terms that find them;
    both are of BANK_ENTERPRISE.
    """
    calendar = scenario_calendar(flavour, day)
    forge = Forge(seed, kind, sessions, calendar, opted=flavour is Flavour.OPTED)
    terms = scenario_terms(kind, flavour, calendar)
    with no_collection():
        return _make(forge, terms, seed, entries, day, days, opening_items, flavour)


def _make(
    forge: Forge,
    terms: Terms,
    seed: int,
    entries: int,
    day: int,
    days: int,
    opening_items: bool,
    flavour: Flavour,
) -> Scenario:
    first = forge.calendar.next_business_day(day)
    dates = [forge.calendar.add(first, count) for count in range(days)]
    cases: list[tuple[str, Case]] = []
    if opening_items:
        cases += _opening_cases(forge, dates[0])
    bulk = []
    for run, date in enumerate(dates):
        place = Place(run, date, days)
        made = _special(forge, place, entries, flavour)
        cases += made
        used = sum(1 for _, case in made for r, s, _ in case.entries if (r, s) == (run, 0))
        bulk.append(_bulk(forge, date, max(entries - used, 0)))
    return _assemble(seed, entries, forge, terms, dates, cases, bulk)


def _special(forge: Forge, place: Place, entries: int, flavour: Flavour) -> list[tuple[str, Case]]:
    """Make every case equally often; a small scenario takes as many as fit, the commonest first."""
    makers = cases_of(forge.kind, flavour)
    rounds = entries * CASES_PER_MILLE // 1_000 // len(makers)
    if rounds == 0:
        fitting = min(len(makers), max(1, entries // SMALL_PART))
        chosen = list(makers[:fitting])
    else:
        chosen = list(makers) * rounds
    return [(make.__name__, make(forge, place)) for make in chosen]


def _opening_cases(forge: Forge, first: int) -> list[tuple[str, Case]]:
    """Return items in transit that the first day resolves, and one that it does not."""
    made = []
    for number in range(OPENING_ITEMS):
        side, case = Side(number % 2), Case()
        mould = forge.mould(forge.before(first, 1))
        item = forge.cast(side, mould)
        case.add(-1, item, side=side)
        refs = refs_of((item,)) if side is Side.SERVICER else refs_of((), (item,))
        stays = number == OPENING_ITEMS - 1
        kind = BreakKind.TIMING
        case.breaks.append(OpenCase(kind, refs, mould.day, -1, None if stays else 0))
        if not stays:
            other = forge.cast(side.other, mould, booking_date=first)
            case.add(0, other, side=side.other)
            pair = (item, other) if side is Side.SERVICER else (other, item)
            case.groups.append((0, refs_of((pair[0],), (pair[1],))))
        made.append(("opening_item", case))
    return made


def _bulk(forge: Forge, day: int, count: int) -> tuple[list[Entry], list[Entry]]:
    """Return payments that both sides booked alike: most of a business day.

    One draw of bits makes a payment; its parts are cut from it.
    """
    clearing = forge.kind is AgreementKind.CLEARING
    bank = forge.kind is AgreementKind.BANK_ENTERPRISE
    firms = BRANCHES if forge.kind is AgreementKind.HEAD_BRANCH else FIRMS
    bits, key, ref = forge.bits, forge.key, forge.ref
    start_ms = day * _DAY_MS + _OCCURRED_FROM_MS - _CHINA_MS
    booked, directions = EntryStatus.BOOKED, (Direction.IN, Direction.OUT)
    servicer_ref, voucher_no = int(Carrier.SERVICER_REF), int(Carrier.VOUCHER_NO)
    servicer, owner = [], []
    settled = session = business = moment = None
    for _ in range(count):
        draw = bits(_BULK_BITS)
        # Small amounts are common: the product of two draws leans towards them.
        minor = 1 + (draw & _MASK) % _AMOUNT_LIMIT * (1 + (draw >> 32 & _MASK) % 1_000) // 1_000
        direction = directions[draw >> 64 & 1]
        name, account = firms[(draw >> 65 & _MASK) % len(firms)]
        remittance = REMITTANCES[(draw >> 97 & _MASK) % len(REMITTANCES)]
        # Some are valued the day after on the servicer's side: within every pass's distance.
        valued = day if (draw >> 129 & _MASK) % _VALUE_NEXT_DAY_IN else day + 1
        if clearing:
            settled, session = day, (draw >> 161 & _MASK) % forge.sessions
            business = BUSINESS_TYPES[(draw >> 193 & _MASK) % len(BUSINESS_TYPES)]
            moment = start_ms + (draw >> 225 & _MASK) % _OCCURRED_SPAN_MS
        references = key()
        s_ref, o_ref = ref(Side.SERVICER), ref(Side.OWNER)
        s_keys = o_keys = references
        if bank:
            s_keys = (*references, (servicer_ref, "R" + s_ref))
            o_keys = (*references, (voucher_no, "V" + o_ref))
        head: tuple[Any, ...] = (0, direction, minor, "CNY", day)
        middle: tuple[Any, ...] = (settled, session, business, booked, False)
        tail: tuple[Any, ...] = (None, name, account, remittance, None, None, None, moment)
        servicer.append(Entry(*(s_ref, *head, valued, *middle, s_keys, *tail)))
        owner.append(Entry(*(o_ref, *head, day, *middle, o_keys, *tail)))
    return servicer, owner


def _assemble(
    seed: int,
    entries: int,
    forge: Forge,
    terms: Terms,
    dates: list[int],
    cases: list[tuple[str, Case]],
    bulk: list[tuple[list[Entry], list[Entry]]],
) -> Scenario:
    special: dict[tuple[int, Side], list[Entry]] = {}
    for _, case in cases:
        for run, side, entry in case.entries:
            special.setdefault((run, side), []).append(entry)
    items = (tuple(special.get((-1, Side.SERVICER), ())), tuple(special.get((-1, Side.OWNER), ())))
    base = {"CNY": OPENING_BALANCE_MINOR}
    if "USD" in terms.currencies:
        base["USD"] = USD_OPENING_MINOR
    opening = (_after(base, items[0]), _after(base, items[1]))
    balances = [dict(opening[0]), dict(opening[1])]
    mix = dict(sorted(Counter(name for name, _ in cases).items()))
    found = []
    for run, date in enumerate(dates):
        books = []
        for side in Side:
            mine = _mixed(forge, bulk[run][side], special.get((run, side), []))
            closing = _after(balances[side], mine)
            books.append(Book(mine, dict(balances[side]), closing))
            balances[side] = closing
        labels = {
            "seed": str(seed),
            "entries": str(entries),
            "kind": forge.kind.name,
            "day": (dt.date(1970, 1, 1) + dt.timedelta(days=date)).isoformat(),
            "run": str(run + 1),
            "mix": {name: str(count) for name, count in mix.items()},
            **_labels(run, date, cases, bulk[run], terms),
        }
        found.append(ScenarioDay(date, books[0], books[1], labels))
    return Scenario(
        seed, entries, forge.kind, terms, tuple(found), opening_items=items, opening=opening
    )


def _after(before: Mapping[str, int], entries: Iterable[Entry]) -> dict[str, int]:
    """Return balances after entries; only those that move count."""
    balances = dict(before)
    incoming, moving = Direction.IN, tuple(MOVING_STATUSES)
    for entry in entries:
        if entry.status in moving:
            minor = entry.amount_minor if entry.direction is incoming else -entry.amount_minor
            balances[entry.currency] = balances.get(entry.currency, 0) + minor
    return balances


def _mixed(forge: Forge, bulk: list[Entry], special: list[Entry]) -> tuple[Entry, ...]:
    """Put each special entry at a drawn place among the others, in time linear in both."""
    drops: dict[int, list[Entry]] = {}
    for entry in special:
        drops.setdefault(forge.below(len(bulk) + 1), []).append(entry)
    mixed: list[Entry] = []
    start = 0
    for place in sorted(drops):
        mixed += bulk[start:place]
        mixed += drops[place]
        start = place
    return (*mixed, *bulk[start:])


def _labels(
    run: int,
    day: int,
    cases: list[tuple[str, Case]],
    bulk: tuple[list[Entry], list[Entry]],
    terms: Terms,
) -> dict[str, Any]:
    special = sorted(refs for _, case in cases for at, refs in case.groups if at == run)
    open_cases = [
        item
        for _, case in cases
        for item in case.breaks
        if item.first <= run and (item.until is None or run < item.until)
    ]
    proposals = [refs for _, case in cases for at, refs in case.proposals if at <= run]
    return {
        "groups": [
            *(
                {"servicer": [s.entry_ref], "owner": [o.entry_ref]}
                for s, o in zip(*bulk, strict=True)
            ),
            *map(_refs_json, special),
        ],
        "breaks": [
            _break_json(item, run, day, terms)
            for item in sorted(open_cases, key=lambda item: item.refs)
        ],
        "proposals": [_refs_json(refs) for refs in sorted(proposals)],
    }


def _refs_json(refs: Refs) -> dict[str, Any]:
    return {"servicer": sorted(refs[0]), "owner": sorted(refs[1])}


def _break_json(item: OpenCase, run: int, day: int, terms: Terms) -> dict[str, Any]:
    ordinal = terms.common_calendar.ordinal
    age_days = max(ordinal(day) - ordinal(item.booked), 0)
    marks = [str(Mark.STALE)] if age_days > terms.stale_after_days else []
    return {
        "kind": str(_kind_at(item, run, age_days, terms)),
        "marks": marks,
        **_refs_json(item.refs),
        "also": [str(kind) for kind in item.also],
    }


def _kind_at(item: OpenCase, run: int, age_days: int, terms: Terms) -> BreakKind:
    """Return what a one-sided break is called in a run: it ages from TIMING to MISSING.

    An extra booking is a DUPLICATE only in the run whose groups hold its twin.
    """
    if item.kind not in _ONE_SIDED:
        return item.kind
    if item.kind is BreakKind.DUPLICATE and run == item.first:
        return item.kind
    if age_days <= terms.grace_days:
        return BreakKind.TIMING
    return BreakKind.MISSING_AT_OWNER if item.refs[0] else BreakKind.MISSING_AT_SERVICER


def side_book(book: Book, day: int) -> SideBook:
    """Return a book as a run's input, balances stated."""
    stated = BalanceBasis.STATED
    return SideBook(
        entries=book.entries,
        opening={code: Balance.of_signed(m, day, stated) for code, m in book.opening.items()},
        closing={code: Balance.of_signed(m, day, stated) for code, m in book.closing.items()},
    )
