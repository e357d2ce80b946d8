"""A naive O(n^2) oracle, written from matching.md alone, in plain Python without SQL.

It shares only the nouns, the terms and the text primitives with the engine, and is slow on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from matching_graph import components

from reconcile.matching.normalise import compile_chain
from reconcile.model import CARRIER_BY_WORD, Entry, EntryStatus
from reconcile.terms import KeyPair, MatchPass

MOVING = (EntryStatus.BOOKED, EntryStatus.RETURNED, EntryStatus.REVERSED)
Ref = tuple[int, str]
Sets = tuple[frozenset[str], frozenset[str]]


@dataclass
class Oracle:
    """Both sides' open entries, by side and ref, and what the rules make of them."""

    servicer: Sequence[Entry]
    owner: Sequence[Entry]
    passes: Sequence[MatchPass]
    ordinal: Callable[[int], int]
    held: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    rejected: frozenset[Sets] = frozenset()
    budget_minor: int = 0
    strict: set[str] = field(default_factory=set)
    groups: list[tuple[str, tuple[str, ...], tuple[str, ...], int]] = field(default_factory=list)
    proposals: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    near: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    unused: list[set[str]] = field(default_factory=list)
    tolerant: dict[str, int] = field(default_factory=dict)

    def solve(self) -> Oracle:
        """Run all rules; where a currency's budget is exceeded, run again without tolerance."""
        self._settle()
        over = {c for c, total in self.tolerant.items() if total > self.budget_minor}
        if over:
            self.strict = over
            self._settle()
        self._propose()
        self._near_misses()
        self.groups.sort(key=lambda g: (g[1], g[2]))
        return self

    def first_step(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...], int]]:
        """Return the groups of rule 1's first step alone."""
        self._open()
        for rule in self.passes:
            if rule.confirm == "always":
                self._step(rule, "exact")
        return self.groups

    def entry(self, side: int, ref: str) -> Entry:
        """Return an open entry."""
        return self._by_ref[side][ref]

    def order(self, side: int, ref: str) -> tuple[int, int, bytes, int]:
        """Return the total order of rule 2."""
        e = self.entry(side, ref)
        return (e.booking_date, e.occurred_at or 0, ref.encode(), side)

    def vday(self, e: Entry) -> int:
        """Return the value date; a missing one is the booking date."""
        return e.value_date if e.value_date is not None else e.booking_date

    def distance(self, s: str, o: str) -> int:
        """Return business days between two value dates."""
        return abs(
            self.ordinal(self.vday(self.entry(0, s))) - self.ordinal(self.vday(self.entry(1, o)))
        )

    def text(self, e: Entry, word: str) -> str | None:
        """Return what a carrier holds."""
        if word in CARRIER_BY_WORD:
            return dict(e.references).get(CARRIER_BY_WORD[word])
        return getattr(e, word)

    def pair_value(self, side: int, ref: str, pair: KeyPair) -> str | None:
        """Return one normalised carrier."""
        word = pair.owner if side else pair.servicer
        chain = compile_chain(tuple(pair.normalise), pair.min_length)
        return chain(self.text(self.entry(side, ref), word))

    def key(self, side: int, ref: str, rule: MatchPass) -> tuple[str, ...] | None:
        """Return an entry's key under a pass, None where it never matches."""
        values = tuple(self.pair_value(side, ref, pair) for pair in rule.keys)
        return None if None in values else values  # type: ignore[return-value]

    def contradict(self, s: str, o: str) -> bool:
        """Outside always passes: a carrier that tells apart differs, valid on both sides."""
        for rule in self.passes:
            for pair in rule.keys if rule.guards or rule.confirm == "always" else ():
                a, b = self.pair_value(0, s, pair), self.pair_value(1, o, pair)
                if a is not None and b is not None and a != b:
                    return True
        return False

    def is_rejected(self, s: Iterable[str], o: Iterable[str]) -> bool:
        """Say whether a decision rejected this set."""
        return (frozenset(s), frozenset(o)) in self.rejected

    def sorted_refs(self, side: int, refs: Iterable[str]) -> list[str]:
        """Return refs in the total order."""
        return sorted(refs, key=lambda ref: self.order(side, ref))

    def fits(self, rule: MatchPass, step: str, s: int, o: int) -> bool:
        """Say whether two signed amounts fit a step."""
        if step == "exact":
            return s == o
        if step == "tolerant":
            gap = abs(s - o)
            ppm = rule.amount.tolerance_ppm
            return gap <= rule.amount.tolerance_minor or (
                ppm > 0 and gap * 1_000_000 <= ppm * max(abs(s), abs(o))
            )
        return self._is_net(rule, s, o) or self._is_net(rule, o, s)

    @staticmethod
    def _is_net(rule: MatchPass, gross: int, net: int) -> bool:
        fee = rule.fee.fee_of(abs(gross))
        if not 0 < fee < abs(gross):
            return False
        return net == (gross - fee if gross > 0 else gross + fee)

    def _open(self) -> None:
        self._by_ref = [{e.entry_ref: e for e in side} for side in (self.servicer, self.owner)]
        self.groups, self.tolerant = [], defaultdict(int)
        self.unused = [
            {
                e.entry_ref
                for e in side
                if e.status in MOVING and e.entry_ref not in self.held[number]
            }
            for number, side in enumerate((self.servicer, self.owner))
        ]

    def _settle(self) -> None:
        self._open()
        for rule in self.passes:
            if rule.confirm == "always":
                self._step(rule, "exact")
        self._rounds()

    def _rounds(self) -> None:
        while True:
            before = len(self.groups)
            for rule in self.passes:
                if rule.confirm != "never":
                    for step in self.steps(rule):
                        self._step(rule, step)
            if len(self.groups) == before:
                return

    def steps(self, rule: MatchPass) -> list[str]:
        """Return the steps of a pass."""
        loose = rule.amount.tolerance_minor > 0 or rule.amount.tolerance_ppm > 0
        return ["exact"] + ["tolerant"] * loose + ["fee"] * (rule.fee is not None)

    def _step(self, rule: MatchPass, step: str) -> None:
        if "1:1" in rule.shape:
            if rule.confirm == "always" and step == "exact":
                self._pair_all(rule)
            else:
                self._pair_sole(rule, step)
        if "1:N" in rule.shape or "N:1" in rule.shape:
            for s, o in self._sums(rule, step):
                if not self.is_rejected(s, o):
                    self._confirm(rule, step, s, o)

    def _confirm(self, rule: MatchPass, step: str, s: Sequence[str], o: Sequence[str]) -> None:
        assert set(s) <= self.unused[0]
        assert set(o) <= self.unused[1]
        residual = sum(self.entry(0, r).signed_minor for r in s) - sum(
            self.entry(1, r).signed_minor for r in o
        )
        if step == "tolerant":
            self.tolerant[self.entry(0, s[0]).currency] += abs(residual)
        self.groups.append((rule.name, tuple(sorted(s)), tuple(sorted(o)), residual))
        self.unused[0] -= set(s)
        self.unused[1] -= set(o)

    def _pair_all(self, rule: MatchPass) -> None:
        blocks: dict[object, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for ref in self.unused[side]:
                key = self.key(side, ref, rule)
                if key is not None:
                    e = self.entry(side, ref)
                    blocks[key, e.currency, e.signed_minor][side].append(ref)
        for s, o in blocks.values():
            for a, b in self.rule_2(s, o, rule.value_date_days):
                self._confirm(rule, "exact", [a], [b])

    def rule_2(self, s: list[str], o: list[str], limit: int | None) -> list[tuple[str, str]]:
        """Equal booking dates, then equal value dates, k-th with k-th; then the two heads."""

        def may(a: str, b: str) -> bool:
            near = limit is None or self.distance(a, b) <= limit
            return near and not self.is_rejected([a], [b])

        pairs: list[tuple[str, str]] = []
        s, o = self.sorted_refs(0, s), self.sorted_refs(1, o)
        for day in (lambda e: e.booking_date, self.vday):
            for value in sorted({day(self.entry(0, a)) for a in s}):
                left = [a for a in s if day(self.entry(0, a)) == value]
                right = [b for b in o if day(self.entry(1, b)) == value]
                pairs += [(a, b) for a, b in zip(left, right, strict=False) if may(a, b)]
            s = [a for a in s if a not in {p[0] for p in pairs}]
            o = [b for b in o if b not in {p[1] for p in pairs}]
        while s and o:
            if may(s[0], o[0]):
                pairs.append((s.pop(0), o.pop(0)))
            elif self._earlier(s[0], o[0]):
                s.pop(0)
            else:
                o.pop(0)
        return pairs

    def _earlier(self, a: str, b: str) -> bool:
        """The total order; the same up to the side: the value date, so that sides mirror."""
        one, two = self.order(0, a), self.order(1, b)
        if one[:3] != two[:3]:
            return one < two
        days = [self.ordinal(self.vday(self.entry(i, r))) for i, r in ((0, a), (1, b))]
        return days[0] <= days[1]

    def candidates(self, rule: MatchPass, step: str) -> list[tuple[str, str]]:
        """List every pair that is a candidate of a step."""
        found = []
        for a in self.unused[0]:
            for b in self.unused[1]:
                x, y = self.entry(0, a), self.entry(1, b)
                key = self.key(0, a, rule)
                if key is None or key != self.key(1, b, rule) or x.currency != y.currency:
                    continue
                if step == "tolerant" and x.currency in self.strict:
                    continue
                if not self.fits(rule, step, x.signed_minor, y.signed_minor):
                    continue
                if self.distance(a, b) > rule.value_date_days or self.is_rejected([a], [b]):
                    continue
                if rule.confirm != "always" and self.contradict(a, b):
                    continue
                found.append((a, b))
        return found

    def _pair_sole(self, rule: MatchPass, step: str) -> None:
        """Sole candidates on both sides; interchangeable entries count as one."""
        by_class: dict[tuple[object, object], list[set[str]]] = defaultdict(lambda: [set(), set()])
        neighbours: dict[tuple[int, object], set[object]] = defaultdict(set)
        for a, b in self.candidates(rule, step):
            x, y = self._content(0, a), self._content(1, b)
            by_class[x, y][0].add(a)
            by_class[x, y][1].add(b)
            neighbours[0, x].add(y)
            neighbours[1, y].add(x)
        for (x, y), (s, o) in by_class.items():
            if len(neighbours[0, x]) == 1 and len(neighbours[1, y]) == 1:
                pairs = zip(self.sorted_refs(0, s), self.sorted_refs(1, o), strict=False)
                for a, b in pairs:
                    self._confirm(rule, step, [a], [b])

    def _content(self, side: int, ref: str) -> object:
        e = self.entry(side, ref)
        apart = any(
            len(sets[0]) == 1 and len(sets[1]) == 1 and ref in sets[side] for sets in self.rejected
        )
        same = msgspec.structs.replace(e, entry_ref="", occurred_at=None)
        return (ref if apart else None, msgspec.msgpack.encode(same))

    def _sums(self, rule: MatchPass, step: str) -> list[tuple[list[str], list[str]]]:
        blocks: dict[object, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for ref in self.unused[side]:
                key = self.key(side, ref, rule)
                if key is not None:
                    blocks[key, self.entry(side, ref).currency][side].append(ref)
        found = []
        for s, o in blocks.values():
            one_s, one_o = "1:N" in rule.shape and len(s) == 1, "N:1" in rule.shape and len(o) == 1
            if not (s and o and (one_s or one_o)):
                continue
            if step == "tolerant" and self.entry(0, s[0]).currency in self.strict:
                continue
            sums = [
                sum(self.entry(i, r).signed_minor for r in refs) for i, refs in ((0, s), (1, o))
            ]
            apart = any(self.distance(a, b) > rule.value_date_days for a in s for b in o)
            clash = rule.confirm != "always" and any(self.contradict(a, b) for a in s for b in o)
            if self.fits(rule, step, *sums) and not apart and not clash:
                found.append((sorted(s), sorted(o)))
        return found

    def _propose(self) -> None:
        strict, self.strict = self.strict, set()
        for rule in self.passes:
            steps = self.steps(rule)
            if "1:1" in rule.shape:
                edges = {
                    edge
                    for step in (steps[1:] if rule.confirm == "always" else steps)
                    for edge in self.candidates(rule, step)
                }
                sets = self._blocks(rule, edges) if rule.confirm == "never" else components(edges)
                for s, o in sets:
                    self._offer(rule, s, o)
            if "1:N" in rule.shape or "N:1" in rule.shape:
                for step in steps:
                    for s, o in self._sums(rule, step):
                        self._offer(rule, s, o)
        self.strict = strict

    def _offer(self, rule: MatchPass, s: Iterable[str], o: Iterable[str]) -> None:
        if not self.is_rejected(s, o):
            offer = (rule.name, tuple(sorted(s)), tuple(sorted(o)))
            if offer not in self.proposals:
                self.proposals.append(offer)

    def _blocks(
        self, rule: MatchPass, edges: set[tuple[str, str]]
    ) -> list[tuple[set[str], set[str]]]:
        exact = self.steps(rule) == ["exact"]
        blocks: dict[object, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for edge in edges:
            for side in (0, 1):
                e = self.entry(side, edge[side])
                amount = e.signed_minor if exact else None
                blocks[self.key(side, edge[side], rule), e.currency, amount][side].add(edge[side])
        return list(blocks.values())

    def _near_misses(self) -> None:
        left = [
            set(self.unused[side])
            | {
                ref
                for ref, e in self._by_ref[side].items()
                if e.status not in MOVING and ref not in self.held[side]
            }
            for side in (0, 1)
        ]
        always = [rule for rule in self.passes if rule.confirm == "always"]
        for rule in always:
            if rule.keys:
                self._near_of_pass(rule, left)
        limit = max((rule.value_date_days for rule in always), default=0)
        edges = {
            (a, b)
            for a in left[0]
            for b in left[1]
            if self._agree(a, b, limit) and not self.is_rejected([a], [b])
        }
        for a, b in edges:
            if sum(a == x for x, _ in edges) == 1 and sum(b == y for _, y in edges) == 1:
                self.near.append(("reference", (a,), (b,)))

    def _near_of_pass(self, rule: MatchPass, left: list[set[str]]) -> None:
        blocks: dict[object, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for ref in left[side]:
                key = self.key(side, ref, rule)
                if key is not None:
                    blocks[key][side].append(ref)
        for s, o in blocks.values():
            if not s or not o:
                continue
            grouped = "1:N" in rule.shape or "N:1" in rule.shape
            if grouped and len(s) + len(o) > 2:
                pairs = [("split", tuple(sorted(s)), tuple(sorted(o)))]
            else:
                pairs = [(rule.name, (a,), (b,)) for a, b in self.rule_2(s, o, None)]
            self.near += pairs
            for _, a, b in pairs:
                left[0] -= set(a)
                left[1] -= set(b)

    def _agree(self, a: str, b: str, limit: int) -> bool:
        x, y = self.entry(0, a), self.entry(1, b)
        if x.status not in MOVING or y.status not in MOVING:
            return False
        if (x.signed_minor, x.currency) != (y.signed_minor, y.currency):
            return False
        if self.distance(a, b) > limit:
            return False
        for word, chain in (
            ("counterparty_account", compile_chain(("alnum", "upper"), 1)),
            ("counterparty_name", compile_chain(("nfkc_ascii", "trim", "upper"), 1)),
        ):
            p, q = chain(getattr(x, word)), chain(getattr(y, word))
            if p is not None and q is not None:
                return p == q
        return True
