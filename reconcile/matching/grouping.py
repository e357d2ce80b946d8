"""1:N and N:1: one entry against all parts of one key and currency, by their signed sums.

All parts count: the balance-moving, free entries that no group holds yet. A single part is a group
too (a payout batch of one payment). With several on both sides nothing is confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from reconcile.matching.source import EXACT, TOLERANT, band_widths, net_of
from reconcile.matching.store import Store
from reconcile.model import Side

if TYPE_CHECKING:
    from reconcile.matching.engine import Plan

_BLOCKS: Final = """
CREATE OR REPLACE TABLE part_block AS
SELECT {key} AS k, currency,
       count(*) FILTER (WHERE side = 0) AS s_count, count(*) FILTER (WHERE side = 1) AS o_count,
       sum(signed) FILTER (WHERE side = 0) AS s_sum, sum(signed) FILTER (WHERE side = 1) AS o_sum,
       min(id) AS block_id
FROM rest WHERE {key} IS NOT NULL
GROUP BY {key}, currency
HAVING s_count > 0 AND o_count > 0 AND ({shapes}) {exact}
   AND max(vord) FILTER (WHERE side = 0) - min(vord) FILTER (WHERE side = 1) <= {distance}
   AND max(vord) FILTER (WHERE side = 1) - min(vord) FILTER (WHERE side = 0) <= {distance}
   {guards}
"""

_MEMBERS: Final = """
SELECT b.block_id, b.currency, b.s_sum, b.o_sum, r.side, r.id
FROM part_block b JOIN rest r ON r.{key} = b.k AND r.currency = b.currency
ORDER BY b.block_id, r.entry_ref, r.side
"""


@dataclass(frozen=True)
class GroupFound:
    """A group of several entries by their ids; `residual_minor` = servicer's sum - owner's."""

    pass_number: int
    kind: int
    servicer: tuple[int, ...]
    owner: tuple[int, ...]
    currency: str
    residual_minor: int

    def side(self, side: Side) -> tuple[int, ...]:
        """Return the ids of one side."""
        return self.owner if side is Side.OWNER else self.servicer


def grouped_blocks(
    store: Store, plan: Plan, kind: int, *, strict: frozenset[str]
) -> list[GroupFound]:
    """Return the groups that a step would form, without taking anything."""
    assert plan.key is not None
    if not store.may_share("rest", plan.key, "currency"):
        return []
    shapes = [
        sql
        for name, sql in (("1:N", "s_count = 1"), ("N:1", "o_count = 1"))
        if name in plan.rule.shape
    ]
    blocks = store.create(
        _BLOCKS.format(
            key=plan.key,
            shapes=" OR ".join(shapes),
            exact="AND s_sum = o_sum" if kind == EXACT else "",
            distance=int(plan.rule.value_date_days),
            guards="".join(_guard(name) for name in plan.carriers if name != plan.key),
        )
    )
    if blocks == 0:
        return []
    rows = store.con.execute(_MEMBERS.format(key=plan.key)).fetchall()
    found = []
    for _, block in groupby(rows, key=lambda row: row[0]):
        members = list(block)
        _, currency, s_sum, o_sum, _, _ = members[0]
        if not amounts_fit(plan, kind, int(s_sum), int(o_sum)):
            continue
        if kind == TOLERANT and currency in strict:
            continue
        sides = tuple(tuple(row[5] for row in members if row[4] == side) for side in (0, 1))
        residual = int(s_sum) - int(o_sum)
        found.append(GroupFound(plan.number, kind, sides[0], sides[1], currency, residual))
    return found


def _guard(name: str) -> str:
    """Forbid a block where a carrier holds valid, different values on both sides."""
    values = [
        f"{pick}({name}) FILTER (WHERE side = {s})" for s in (0, 1) for pick in ("min", "max")
    ]
    s_min, s_max, o_min, o_max = values
    return (
        f"AND (({s_min}) IS NULL OR ({o_min}) IS NULL OR "
        f"({s_min} = {s_max} AND {o_min} = {o_max} AND {s_min} = {o_min}))\n"
    )


def amounts_fit(plan: Plan, kind: int, servicer: int, owner: int) -> bool:
    """Say whether two sums fit a step: equal, within the band, or gross and net of a fee."""
    if kind == EXACT:
        return servicer == owner
    if kind == TOLERANT:
        amount = plan.rule.amount
        down, up = band_widths(servicer, amount.tolerance_minor, amount.tolerance_ppm)
        return servicer - down <= owner <= servicer + up
    schedule = plan.rule.fee
    assert schedule is not None
    return any(
        net_of(gross, schedule.fee_of(abs(gross))) == net
        for gross, net in ((servicer, owner), (owner, servicer))
    )
