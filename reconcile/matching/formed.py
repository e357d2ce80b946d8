"""From what the passes settled to groups, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import sole_value
from reconcile.matching.groups import SCHEMA, WIDE, Groups
from reconcile.model import MatchGroup
from reconcile.sides import of_both

if TYPE_CHECKING:
    from reconcile.matching.core import Pairs, Rows
    from reconcile.matching.engine import Engine


def groups_of(rows: Rows, engine: Engine | None) -> Groups:
    """Return the pairs of all steps, and what the engine grouped besides."""
    names = [rule.name for rule in rows.given.passes]
    numbers = pc.subtract(pa.concat_arrays([item.numbers for item in rows.pairs]), _ONE)
    # Mostly a book comes in the order of its refs: then its places sort the pairs at no cost.
    mates = rows.mates
    turn = pc.inverse_permutation(mates[0], max_index=len(rows.entries[0]) - 1).drop_null()
    places = [at.take(turn) for at in mates]
    refs = of_both(
        lambda side: rows.tables[side]["entry_ref"].take(places[side]),
        rows.count,
        rows.given.threads,
    )
    single = Groups.pairs(
        pa.DictionaryArray.from_arrays(numbers.take(turn), pa.array(names, pa.string())).cast(
            SCHEMA.field("pass").type
        ),
        *refs,
        _currency(rows.tables[0]["currency"], places[0]),
        _residuals(rows, turn),
    )
    return single if engine is None else single.merged(Groups.of(_several(engine, names)))


def _currency(codes: pa.Array, places: pa.Array) -> pa.Array:
    sole = sole_value(codes)
    return codes.take(places) if sole is None else pa.repeat(sole, len(places))


def _residuals(rows: Rows, turn: pa.Array) -> pa.Array:
    """Return servicer - owner of all pairs, in this order of them; mostly all are 0."""
    differences = [None if item.exact else _difference(rows, item) for item in rows.pairs]
    zero = pa.scalar(0, WIDE)
    if all(item is None or pc.all(pc.equal(item, zero)).as_py() for item in differences):
        return pa.repeat(zero, len(turn))
    filled = [
        pa.repeat(zero, len(pairs.numbers)) if item is None else item
        for pairs, item in zip(rows.pairs, differences, strict=True)
    ]
    return pa.concat_arrays(filled).take(turn)


def _difference(rows: Rows, pairs: Pairs) -> pa.Array:
    """Return servicer - owner; two int64 may be further apart than an int64 says."""
    wide = pa.decimal128(19, 0)
    servicer, owner = (
        table["signed"].take(at).cast(wide)
        for table, at in zip(rows.tables, (pairs.servicer, pairs.owner), strict=True)
    )
    return pc.subtract(servicer, owner).cast(WIDE)


def _several(engine: Engine, names: Sequence[str]) -> Iterator[MatchGroup]:
    for group in engine.groups:
        yield MatchGroup(
            names[group.pass_number - 1],
            tuple(sorted(engine.refs(group.servicer))),
            tuple(sorted(engine.refs(group.owner))),
            group.currency,
            group.residual_minor,
        )


_ONE: Final = pa.scalar(1, pa.int32())
