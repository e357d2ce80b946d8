# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""The steps over any number of rows, in DuckDB: nothing lists all pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from reconcile.matching.candidates import Step, component_edges, count_candidates, sole_pairs
from reconcile.matching.exact import settle_exact
from reconcile.matching.few import Few, are_few
from reconcile.matching.grouping import GroupFound, grouped_blocks
from reconcile.matching.near import NearFound, sole_by_party, under_one_key
from reconcile.matching.source import TOLERANT, build_source
from reconcile.matching.steps import Codes, Edge, IdSets, SideKeys, Steps
from reconcile.matching.store import Store

if TYPE_CHECKING:
    from reconcile.matching.engine import Plan

_RESIDUE: Final = """
WITH keyed AS (SELECT * FROM rest WHERE {key} IS NOT NULL)
SELECT {key}, currency, id, side, signed, vord{carriers}
FROM keyed SEMI JOIN (SELECT {key}, currency FROM keyed GROUP BY {key}, currency
                      HAVING min(side) = 0 AND max(side) = 1) USING ({key}, currency)
"""

_TOLERANT: Final = f"""
SELECT s.currency, sum(abs(s.signed::HUGEINT - o.signed::HUGEINT))
FROM pair p JOIN entry s ON s.id = p.s JOIN entry o ON o.id = p.o
WHERE p.kind = {TOLERANT} GROUP BY s.currency
"""


class Tables(Store):
    """`steps.Steps` over the tables of a store."""

    def bar(self, pairs: Sequence[Edge]) -> None:
        """Take the pairs that a decision rejected."""
        self.put("barred", {"s": [s for s, _ in pairs], "o": [o for _, o in pairs]})

    def settle_exact(self, plan: Plan) -> int:
        """Confirm what rule 2 pairs."""
        return settle_exact(self, plan.number, plan.key, plan.rule.value_date_days)

    def settle_sole(self, plan: Plan, kind: int, strict: frozenset[str], codes: Codes) -> int:
        """Confirm sole candidates, then sole classes of the others, k-th with k-th."""
        step = plan.step(kind)
        if not build_source(self, plan, kind, strict=strict):
            return 0
        if count_candidates(self, step, "source", "barred", "counts") == 0:
            return 0
        sole = sole_pairs(self, "counts", "found")
        tied = self.ids(
            "SELECT cid FROM counts WHERE cid NOT IN "
            "(SELECT s FROM found UNION ALL SELECT o FROM found)"
        )
        classes = codes(tied)
        confirmed = self.settle(plan.number, "found", sole, kind)
        if len(set(classes)) < len(classes):
            self.put("class", {"id": tied, "code": classes})
            confirmed += self._settle_classes(plan, kind, step)
        return confirmed

    def _settle_classes(self, plan: Plan, kind: int, step: Step) -> int:
        self.con.execute("""
        CREATE OR REPLACE TABLE class_source AS
        SELECT DISTINCT c.code AS cid, s.* EXCLUDE (cid, id)
        FROM source s JOIN class c ON c.id = s.id
        """)
        self.con.execute("""
        CREATE OR REPLACE TABLE class_barred AS
        SELECT s.code AS s, o.code AS o
        FROM barred b JOIN class s ON s.id = b.s JOIN class o ON o.id = b.o
        """)
        count_candidates(self, step, "class_source", "class_barred", "class_counts")
        sole_pairs(self, "class_counts", "class_found")
        members = self.create("""
        CREATE OR REPLACE TABLE found AS
        WITH member AS (
          SELECT c.id, c.code, row_number() OVER (
                   PARTITION BY c.code ORDER BY e.bday, e.occ, e.entry_ref, e.side) AS k
          FROM class c JOIN entry e ON e.id = c.id)
        SELECT s.id AS s, o.id AS o
        FROM class_found f JOIN member s ON s.code = f.s JOIN member o ON o.code = f.o
        WHERE s.k = o.k
        """)
        return self.settle(plan.number, "found", members, kind)

    def grouped(self, plan: Plan, kind: int, strict: frozenset[str]) -> list[GroupFound]:
        """Return the groups of one entry against all parts of one key and currency."""
        return grouped_blocks(self, plan, kind, strict=strict)

    def take(self, ids: Sequence[int]) -> None:
        """Take these ids out of the rest."""
        if ids:
            self.settle_ids(ids)

    def residue(self, plan: Plan) -> list[tuple[Any, ...]]:
        """Return the rows of `Steps.residue`."""
        assert plan.key is not None
        if not self.may_share("rest", plan.key, "currency"):
            return []
        carriers = "".join(f", {name}" for name in plan.carriers)
        return self.con.execute(_RESIDUE.format(key=plan.key, carriers=carriers)).fetchall()

    def edges(self, plan: Plan, kind: int) -> list[Edge]:
        """Return O(n) edges that join what the step's candidates join."""
        if not build_source(self, plan, kind, strict=frozenset()):
            return []
        return component_edges(self, plan.step(kind), "source", "barred")

    def candidate_blocks(self, plan: Plan, kinds: Sequence[int]) -> list[IdSets]:
        """Return all that have a candidate, by key, currency and, without loose steps, amount."""
        found = 0
        self.con.execute("CREATE OR REPLACE TABLE wanted (id BIGINT)")
        for kind in kinds:
            if build_source(self, plan, kind, strict=frozenset()):
                found += count_candidates(self, plan.step(kind), "source", "barred", "counts")
                self.con.execute("INSERT INTO wanted SELECT cid FROM counts")
        if not found:
            return []
        alike = [plan.key] if plan.key else []
        alike += ["currency"] if plan.loose_kinds else ["currency", "signed"]
        rows = self.con.execute(f"""
        SELECT list(id) FILTER (WHERE side = 0), list(id) FILTER (WHERE side = 1)
        FROM rest WHERE id IN (SELECT id FROM wanted)
        GROUP BY {", ".join(alike)}
        """).fetchall()
        return [(servicer or [], owner or []) for servicer, owner in rows]

    def under_one_key(self, plan: Plan, key: str) -> list[NearFound]:
        """Return what one key joins, whatever else differs."""
        return under_one_key(self, plan, key)

    def sole_by_party(self, step: Step) -> list[NearFound]:
        """Return sole candidates that agree in amount and party."""
        return sole_by_party(self, step)

    def pairs(self) -> list[pa.Array]:
        """Return pass number, servicer's and owner's id of what is settled."""
        return self.columns("SELECT pass, s, o FROM pair")

    def tolerant_residuals(self) -> Mapping[str, int]:
        """Return per currency the sum of the absolute residuals."""
        return dict(self.con.execute(_TOLERANT).fetchall())


def steps_over(
    tables: tuple[pa.RecordBatch, pa.RecordBatch],
    keys: SideKeys,
    plans: Iterable[Plan],
    threads: int | None,
) -> AbstractContextManager[Steps]:
    """Return who takes the steps over both sides' rows: of few Python, of many DuckDB."""
    loose = (plan.key for plan in plans if plan.loose_kinds)
    if are_few(tables, keys, loose):
        return nullcontext(Few(*tables, keys))
    return Tables(*tables, keys, threads=threads)
