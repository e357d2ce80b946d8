"""The oracle of rule 6: every subset of one side against every subset of the other."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain, combinations

import msgspec
from hypothesis import strategies as st
from matching_books import one_pass, rules
from matching_oracle import Oracle

from reconcile.terms import MatchPass, SubsetRule

Sets = tuple[frozenset[str], frozenset[str]]
Kind = frozenset[tuple[object, int]]


def search_pass(name: str = "search", *carriers: str, **parts: object) -> MatchPass:
    """Return an N:M pass; `subset` holds its limits, else so many that none is reached."""
    subset = parts.pop("subset", SubsetRule(2_000_000, 4, 10_000))
    fields: dict[str, object] = {"confirm": "unique", "shape": ("N:M",)} | parts
    rule = one_pass(name, *(carriers or ("counterparty_account",)), **fields)
    return dataclasses.replace(rule, subset=subset)  # type: ignore[arg-type]


@st.composite
def searching_rules(draw: st.DrawFn) -> tuple[MatchPass, ...]:
    """Return a rule set with one or two N:M passes somewhere in it."""
    made = list(draw(rules()))
    for number in range(draw(st.integers(1, 2))):
        rule = search_pass(
            f"n{number}",
            draw(st.sampled_from(["counterparty_account", "counterparty_name", "group_ref"])),
            confirm=draw(st.sampled_from(["unique", "unique", "never"])),
            days=draw(st.sampled_from([0, 1, 3])),
            subset=SubsetRule(2_000_000, draw(st.sampled_from([1, 2, 4])), 10_000),
        )
        made.insert(draw(st.integers(0, len(made))), rule)
    return tuple(made)


def subsets(refs: Iterable[str], most: int) -> Iterable[tuple[str, ...]]:
    """Return every subset of at most so many refs, the empty one too."""
    every = sorted(refs)
    return chain.from_iterable(combinations(every, size) for size in range(most + 1))


@dataclasses.dataclass
class SubsetOracle(Oracle):
    """The oracle with rule 6; budgets are never reached here."""

    def _rounds(self) -> None:
        super()._rounds()
        while self._search():
            super()._rounds()

    def _search(self) -> bool:
        for rule in self.passes:
            if "N:M" in rule.shape and rule.confirm != "never":
                before = len(self.groups)
                for s, o in self.solutions(rule, sole=True):
                    self._confirm(rule, "exact", sorted(s), sorted(o))
                if len(self.groups) > before:
                    return True
        return False

    def _propose(self) -> None:
        super()._propose()
        for rule in self.passes:
            if "N:M" in rule.shape:
                for s, o in self.solutions(rule, sole=False):
                    self._offer(rule, s, o)

    def solutions(self, rule: MatchPass, *, sole: bool) -> list[Sets]:
        """Return the solutions of what is left, those that share no kind of entry or all."""
        blocks: dict[object, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for ref in self.unused[side]:
                key = self.key(side, ref, rule)
                if key is not None:
                    blocks[key, self.entry(side, ref).currency][side].append(ref)
        return [sets for s, o in blocks.values() for sets in self._solve(rule, s, o, sole=sole)]

    def _solve(self, rule: MatchPass, s: list[str], o: list[str], *, sole: bool) -> list[Sets]:
        assert rule.subset is not None
        by_sum: dict[int, list[frozenset[str]]] = defaultdict(list)
        for refs in subsets(o, rule.subset.max_parts):
            by_sum[self._sum(1, refs)].append(frozenset(refs))
        balanced = [
            (frozenset(refs), other)
            for refs in subsets(s, rule.subset.max_parts)
            for other in by_sum[self._sum(0, refs)]
            if refs or other
        ]
        sound = [sets for sets in balanced if self._sound(rule, *sets)]
        least: list[Sets] = []
        for x in sorted(sound, key=lambda sets: len(sets[0]) + len(sets[1])):
            if not any(y[0] <= x[0] and y[1] <= x[1] for y in least):
                least.append(x)
        kinds: dict[Kind, None] = {}
        for a, b in least:
            if a and b:
                kinds[self._kind(a, b)] = None
        users = Counter(content for kind in kinds for content, _ in kind)
        chosen = [k for k in kinds if not sole or all(users[content] == 1 for content, _ in k)]
        found = [sets for kind in chosen for sets in self._instances(kind, s, o)]
        return [sets for sets in found if sets not in self.rejected]

    def _sum(self, side: int, refs: Iterable[str]) -> int:
        return sum(self.entry(side, ref).signed_minor for ref in refs)

    def _sound(self, rule: MatchPass, s: frozenset[str], o: frozenset[str]) -> bool:
        return not any(
            self.distance(a, b) > rule.value_date_days or self.contradict(a, b)
            for a in s
            for b in o
        )

    def _member(self, side: int, ref: str) -> object:
        """Tell apart every entry of a rejected set that is wholly open, of whatever size."""
        content = msgspec.structs.replace(self.entry(side, ref), entry_ref="", occurred_at=None)
        apart = any(
            ref in sets[side] and all(sets[i] <= self._by_ref[i].keys() for i in (0, 1))
            for sets in self.rejected
        )
        return (side, ref if apart else None, msgspec.msgpack.encode(content))

    def _kind(self, s: Iterable[str], o: Iterable[str]) -> Kind:
        contents = [self._member(i, ref) for i, refs in ((0, s), (1, o)) for ref in refs]
        return frozenset(Counter(contents).items())

    def _instances(self, kind: Kind, s: list[str], o: list[str]) -> list[Sets]:
        times = dict(kind)
        pools: dict[object, list[str]] = defaultdict(list)
        for side, refs in ((0, s), (1, o)):
            for ref in self.sorted_refs(side, refs):
                pools[self._member(side, ref)].append(ref)
        found = []
        for turn in range(min(len(pools[content]) // count for content, count in kind)):
            sets: list[set[str]] = [set(), set()]
            for content, count in times.items():
                side = content[0]  # type: ignore[index]
                sets[side] |= set(pools[content][turn * count : (turn + 1) * count])
            found.append((frozenset(sets[0]), frozenset(sets[1])))
        return found
