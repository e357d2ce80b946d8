"""One-sided breaks: the first kind that holds, and the marks that stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reconcile.breaks.differences import UNDECIDED
from reconcile.matching.normalise import compile_chain
from reconcile.matching.run_input import Matched, RunInput
from reconcile.matching.table import carrier_text
from reconcile.model import BreakKind, Entry, EntryStatus, Side, window_day
from reconcile.terms import MatchPass

MS_PER_SECOND = 1_000

Fingerprint = tuple[Side, str, tuple[str, ...], str, int]


@dataclass
class OneSided:
    """What is known of a run when an entry stands alone."""

    run: RunInput
    matched: Matched
    _passes: tuple[MatchPass, ...] = field(init=False)
    _originals: frozenset[tuple[Side, str]] = field(init=False)
    _grouped: frozenset[Fingerprint] = field(init=False)

    def __post_init__(self) -> None:
        """Index the originals of reversals, and what groups hold under the keys in question."""
        self._passes = tuple(
            rule
            for rule in self.run.terms.passes
            if rule.confirm == "always" and rule.keys and "1:1" in rule.shape
        )
        self._originals = frozenset((link.side, link.entry_ref) for link in self.matched.links)
        self._grouped = frozenset(self._fingerprints_of_groups())

    def kind(self, side: Side, entry: Entry) -> BreakKind | None:
        """Return the kind of an entry without counterpart, None for a VOID one."""
        if entry.status is EntryStatus.VOID:
            return None
        if entry.status in UNDECIDED:
            return BreakKind.TIMEOUT
        reverses = entry.is_reversal or entry.reversal_of is not None
        if reverses and (side, entry.entry_ref) not in self._originals:
            return BreakKind.REVERSAL_ORPHAN
        if entry.status is EntryStatus.RETURNED:
            return BreakKind.RETURN
        if any(print_ in self._grouped for print_ in self._fingerprints(side, entry)):
            return BreakKind.DUPLICATE
        if self.age_days(side, entry) <= self.run.terms.grace_days:
            return BreakKind.TIMING
        return (
            BreakKind.MISSING_AT_OWNER if side is Side.SERVICER else BreakKind.MISSING_AT_SERVICER
        )

    def age_days(self, side: Side, entry: Entry) -> int:
        """Return business days, of the side where it is missing, from booking to this window."""
        calendar = self.run.terms.calendar(side.other)
        today = calendar.ordinal(window_day(self.run.window))
        return max(today - calendar.ordinal(entry.booking_date), 0)

    def not_there(self, side: Side, entry: Entry) -> bool:
        """Say whether the other side has spoken past this entry without having it."""
        terms, other = self.run.terms, self.run.book(side.other)
        if entry.occurred_at is not None and other.watermark_ms is not None:
            allowance_ms = terms.timeout_allowance_s * MS_PER_SECOND
            if other.watermark_ms > entry.occurred_at + allowance_ms:
                return True
        if other.closed_through is None:
            return False
        last_day = terms.calendar(side.other).add(entry.booking_date, terms.grace_days)
        return last_day <= other.closed_through

    def _fingerprints(self, side: Side, entry: Entry) -> Iterator[Fingerprint]:
        """Return the entry's keys under the `always` passes, each with its signed amount."""
        for rule in self._passes:
            values = []
            for pair in rule.keys:
                key = compile_chain(pair.normalise, pair.min_length)
                value = key(carrier_text(entry, pair.carrier(side)))
                if value is None:
                    break
                values.append(value)
            else:
                yield side, rule.name, tuple(values), entry.currency, entry.signed_minor

    def _fingerprints_of_groups(self) -> Iterable[Fingerprint]:
        """Return the fingerprints of grouped entries that share amount and side with an open one.

        Only those are asked about, so a million groups cost one look at each amount.
        """
        asked = tuple(
            {(entry.currency, entry.signed_minor) for entry in entries if entry.moving}
            for entries in self.matched.open
        )
        for side in Side:
            if not asked[side]:
                continue
            open_refs = {entry.entry_ref for entry in self.matched.open[side]}
            amounts = {abs(minor) for _, minor in asked[side]}
            entries = self.matched.entries[side].values()
            for entry in [item for item in entries if item.amount_minor in amounts]:
                if (
                    (entry.currency, entry.signed_minor) in asked[side]
                    and entry.moving
                    and entry.entry_ref not in open_refs
                ):
                    yield from self._fingerprints(side, entry)
