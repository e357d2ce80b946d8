"""What the engine asks of its rows, whoever holds them.

`few.Few` lists pairs in Python, `tables.Tables` counts them in DuckDB: the rules are the same, and
tests hold both against each other and against the oracle. An id is 2 x a row's place in its side's
table + side. Free rows are those that no decision holds; of these, those that move the balance and
that no group holds yet are *the rest*, which passes see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from reconcile.matching.candidates import Step
    from reconcile.matching.engine import Plan
    from reconcile.matching.grouping import GroupFound
    from reconcile.matching.near import NearFound

SideKeys = tuple[dict[str, pa.Array], dict[str, pa.Array]]
Edge = tuple[int, int]
"""Ids of a servicer's and an owner's row."""
IdSets = tuple[list[int], list[int]]
Codes = Callable[[Sequence[int]], list[int]]
"""From ids to a number for all that an entry says but entry_ref and occurred_at."""


def alive_keys(keys: SideKeys) -> frozenset[str]:
    """Return the key columns that hold a value on both sides: no other ever matches."""
    return frozenset(
        name for name in keys[0] if all(side[name].null_count < len(side[name]) for side in keys)
    )


class Steps(Protocol):
    """One run's rows, and what each kind of step finds among them.

    `strict` names currencies without a tolerant step.
    """

    alive: frozenset[str]

    def bar(self, pairs: Sequence[Edge]) -> None:
        """Take the pairs that a decision rejected; called once, before any step."""

    def settle_exact(self, plan: Plan) -> int:
        """Confirm what rule 2 pairs in a pass's exact step; return the number of groups."""

    def settle_sole(self, plan: Plan, kind: int, strict: frozenset[str], codes: Codes) -> int:
        """Confirm sole candidates, interchangeable ones counting as one (rule 3).

        Raises InputError CANDIDATES_EXPLODE.
        """

    def grouped(self, plan: Plan, kind: int, strict: frozenset[str]) -> list[GroupFound]:
        """Return the groups of one entry against all parts that a step would form."""

    def take(self, ids: Sequence[int]) -> None:
        """Take these ids out of the rest; their groups are kept elsewhere."""

    def residue(self, plan: Plan) -> Iterable[tuple[Any, ...]]:
        """Return what of the rest stands under keys and currencies that both sides hold.

        Rows of (key, currency, id, side, signed, day, *carriers).
        """

    def edges(self, plan: Plan, kind: int) -> Iterable[Edge]:
        """Return edges that join exactly what the step's candidates join."""

    def candidate_blocks(self, plan: Plan, kinds: Sequence[int]) -> Sequence[IdSets]:
        """Return all that have a candidate, by key, currency and, without loose steps, amount."""

    def under_one_key(self, plan: Plan, key: str) -> list[NearFound]:
        """Return the near misses of rule 8(a) in a pass, taken out of what is left."""

    def sole_by_party(self, step: Step) -> list[NearFound]:
        """Return the near misses of rule 8(b): sole candidates of this step, amounts alike."""

    def pairs(self) -> list[pa.Array]:
        """Return the confirmed 1:1 groups as columns: pass number, servicer's and owner's id."""

    def tolerant_residuals(self) -> Mapping[str, int]:
        """Return per currency the sum of the absolute residuals of tolerant 1:1 groups."""
