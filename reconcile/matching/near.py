# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""Near misses (rule 8): what remains and belongs together, though something differs.

They form once, after the last round, and each takes its entries out of what is left. Held entries
take no part: only a decision groups them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from reconcile.matching.candidates import Step, count_candidates, mask_sql, sole_pairs
from reconcile.matching.engine import ALWAYS
from reconcile.matching.exact import pair_tied
from reconcile.matching.store import Store

if TYPE_CHECKING:
    from reconcile.matching.engine import Plan
    from reconcile.matching.steps import Steps

_SHARED: Final = """
CREATE OR REPLACE TABLE shared AS
SELECT {key} AS k, min(id) AS block_id,
       count(*) FILTER (WHERE side = 0) AS s_count, count(*) FILTER (WHERE side = 1) AS o_count
FROM remain WHERE {key} IS NOT NULL GROUP BY {key}
HAVING s_count > 0 AND o_count > 0
"""

_TIED: Final = """
CREATE OR REPLACE TABLE tied AS
SELECT r.id, r.side, r.bday, r.occ, r.entry_ref, r.vday, r.vord, b.block_id
FROM remain r JOIN shared b ON r.{key} = b.k {limit}
"""

_REFERENCE: Final = """
CREATE OR REPLACE TABLE source AS
WITH keyed AS (
  SELECT id AS cid, id, side, 0 AS k, currency, signed::HUGEINT AS part, 0 AS variant, vord,
         signed::HUGEINT AS signed, 0::HUGEINT AS down, 0::HUGEINT AS up, {mask} AS mask, {names}
  FROM remain WHERE moving)
SELECT * FROM keyed SEMI JOIN (SELECT currency, part FROM keyed GROUP BY currency, part
                               HAVING min(side) = 0 AND max(side) = 1) USING (currency, part)
"""


@dataclass(frozen=True)
class NearFound:
    """A near miss by ids; `pass_number` 0 for rule 8(b). `split`: its sums differ, or its shape."""

    pass_number: int
    split: bool
    servicer: tuple[int, ...]
    owner: tuple[int, ...]


def near_misses(steps: Steps, plans: Sequence[Plan], party: tuple[str, str]) -> list[NearFound]:
    """Return all near misses; `party` names the columns of account and name."""
    always = [plan for plan in plans if plan.rule.confirm == ALWAYS]
    found: list[NearFound] = []
    for plan in always:
        if plan.key is not None:
            found += steps.under_one_key(plan, plan.key)
    distance = max((plan.rule.value_date_days for plan in always), default=0)
    step = Step(None, distance, band=False, carriers=party, fallback=True)
    return found + steps.sole_by_party(step)


def under_one_key(store: Store, plan: Plan, key: str) -> list[NearFound]:
    """Return what one key joins, whatever else differs, and take it out of `remain`."""
    store.remain()
    if not store.may_share("remain", key):
        return []
    if store.create(_SHARED.format(key=key)) == 0:
        return []
    found: list[NearFound] = []
    limit = ""
    if plan.grouped:
        found = _splits(store, plan, key)
        limit = "AND b.s_count = 1 AND b.o_count = 1"
    tied = store.create(_TIED.format(key=key, limit=limit))
    for table, _ in pair_tied(store, None, tied):
        pairs = store.con.execute(f"SELECT s, o FROM {table}").fetchall()
        found += [NearFound(plan.number, False, (s,), (o,)) for s, o in pairs]
    store.take_remaining([i for near in found for i in near.servicer + near.owner])
    return found


def _splits(store: Store, plan: Plan, key: str) -> list[NearFound]:
    store.con.execute(_TIED.format(key=key, limit="AND b.s_count + b.o_count > 2"))
    rows = store.con.execute(
        "SELECT block_id, side, id FROM tied ORDER BY block_id, entry_ref, side"
    ).fetchall()
    found = []
    for _, block in groupby(rows, key=lambda row: row[0]):
        members = list(block)
        servicer, owner = (tuple(i for _, s, i in members if s == side) for side in (0, 1))
        found.append(NearFound(plan.number, True, servicer, owner))
    return found


def sole_by_party(store: Store, step: Step) -> list[NearFound]:
    """Return sole candidates among what moves the balance and agrees in amount and currency."""
    store.remain()
    if not store.may_share("remain", "currency", "signed"):
        return []
    names = ", ".join(step.carriers)
    store.con.execute(_REFERENCE.format(mask=mask_sql(step.carriers), names=names))
    count_candidates(store, step, "source", "barred", "counts")
    sole_pairs(store, "counts", "found")
    rows = store.con.execute("SELECT s, o FROM found").fetchall()
    return [NearFound(0, False, (s,), (o,)) for s, o in rows]
