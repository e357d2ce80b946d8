# ruff: noqa: S608 - the SQL's names come from this package, its values never from text
"""The rows that a step compares: those whose key, and amount where it is exact, both sides hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconcile.matching.candidates import mask_sql
from reconcile.matching.store import Store

if TYPE_CHECKING:
    from reconcile.matching.engine import Plan

EXACT: Final = 0
TOLERANT: Final = 1
FEE: Final = 2

PPM: Final = 1_000_000


def band_widths(signed: int, minor: int, ppm: int) -> tuple[int, int]:
    """Return how far below and above an amount the other side's may lie.

    Within `minor`, or within `ppm` of the greater of the two amounts: so the rule reads the same
    from both sides. For x > 0 that is from x - x*ppm/10^6 up to x*10^6/(10^6 - ppm), both floored.
    """
    size = abs(signed)
    inward = max(minor, size * ppm // PPM)
    outward = max(minor, size * PPM // (PPM - ppm) - size) if ppm else minor
    return (inward, outward) if signed >= 0 else (outward, inward)


def build_source(store: Store, plan: Plan, kind: int, *, strict: frozenset[str]) -> bool:
    """Write the table `source` of a step; return whether it holds rows of both sides.

    `strict` names currencies without a tolerant step.
    """
    key = plan.key or "0"
    carriers = "".join(f", {name}" for name in plan.carriers)
    alike = ["currency", "signed"] if kind == EXACT else ["currency"]
    if not store.may_share("rest", *([plan.key] if plan.key else []), *alike):
        return False
    shared = ", ".join(["k", *alike])
    forbid = ""
    if kind == TOLERANT and strict:
        names = ", ".join(f"'{name}'" for name in sorted(strict) if name.isalnum())
        forbid = f" AND currency NOT IN ({names})"
    common = store.create(f"""
    CREATE OR REPLACE TABLE common AS
    WITH keyed AS (SELECT *, {key} AS k FROM rest WHERE {key} IS NOT NULL{forbid})
    SELECT id, side, k, currency, signed, vord, {mask_sql(plan.carriers)} AS mask{carriers}
    FROM keyed SEMI JOIN (SELECT {shared} FROM keyed GROUP BY {shared}
                          HAVING min(side) = 0 AND max(side) = 1) USING ({shared})
    """)
    if common == 0:
        return False
    if kind == EXACT:
        part, extra = "signed::HUGEINT AS part, 0 AS variant", ""
        widths = "0::HUGEINT AS down, 0::HUGEINT AS up"
    elif kind == TOLERANT:
        part, widths = (
            "0::HUGEINT AS part, 0 AS variant",
            "down::HUGEINT AS down, up::HUGEINT AS up",
        )
        extra = "JOIN width USING (id)"
        _write_widths(store, plan)
    else:
        part, widths = "part::HUGEINT AS part, variant", "0::HUGEINT AS down, 0::HUGEINT AS up"
        extra = "JOIN net USING (id)"
        _write_nets(store, plan)
    store.con.execute(f"""
    CREATE OR REPLACE TABLE source AS
    SELECT id AS cid, id, side, k, currency, {part}, vord, signed::HUGEINT AS signed, {widths},
           mask{carriers}
    FROM common {extra}
    """)
    return True


def net_of(gross: int, fee: int) -> int | None:
    """Return the signed net of a signed gross, None where there is no fee or it eats all."""
    if not 0 < fee < abs(gross):
        return None
    return gross - fee if gross > 0 else gross + fee


def _write_widths(store: Store, plan: Plan) -> None:
    amount = plan.rule.amount
    rows = store.con.execute("SELECT id, signed FROM common").fetchall()
    widths = [
        band_widths(signed, amount.tolerance_minor, amount.tolerance_ppm) for _, signed in rows
    ]
    store.put(
        "width",
        {
            "id": [entry_id for entry_id, _ in rows],
            "down": [down for down, _ in widths],
            "up": [up for _, up in widths],
        },
    )


def _write_nets(store: Store, plan: Plan) -> None:
    """Write each row's amounts as gross and as net; variant 0: the servicer's amount is gross."""
    schedule = plan.rule.fee
    assert schedule is not None
    rows = store.con.execute("SELECT id, side, signed FROM common").fetchall()
    ids, variants, parts = [], [], []
    for entry_id, side, signed in rows:
        ids.append(entry_id)
        variants.append(1 - side)
        parts.append(signed)
        net = net_of(signed, schedule.fee_of(abs(signed)))
        if net is not None:
            ids.append(entry_id)
            variants.append(side)
            parts.append(net)
    store.put("net", {"id": ids, "variant": variants, "part": parts})
