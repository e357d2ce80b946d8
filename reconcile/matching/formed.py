"""From what the passes settled to groups, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.matching.groups import SCHEMA, WIDE, Groups
from reconcile.model import MatchGroup

if TYPE_CHECKING:
    from reconcile.matching.core import Rows
    from reconcile.matching.engine import Engine


def groups_of(rows: Rows, engine: Engine | None) -> Groups:
    """Return the pairs of all steps, and what the engine grouped besides."""
    names = [rule.name for rule in rows.given.passes]
    numbers = pc.subtract(pa.concat_arrays([item[0] for item in rows.pairs]), _ONE)
    # Mostly a book comes in the order of its refs: then its places sort the pairs at no cost.
    mates = rows.mates
    turn = pc.inverse_permutation(mates[0], max_index=len(rows.entries[0]) - 1).drop_null()
    numbers, places = numbers.take(turn), [at.take(turn) for at in mates]
    servicer, owner = (
        {name: table[name].take(at) for name in ("entry_ref", "signed")}
        for table, at in zip(rows.tables, places, strict=True)
    )
    single = Groups.pairs(
        pa.DictionaryArray.from_arrays(numbers, pa.array(names, pa.string())).cast(
            SCHEMA.field("pass").type
        ),
        servicer["entry_ref"],
        owner["entry_ref"],
        rows.tables[0]["currency"].take(places[0]),
        _difference(servicer["signed"], owner["signed"]),
    )
    return single if engine is None else single.merged(Groups.of(_several(engine, names)))


def _difference(servicer: pa.Array, owner: pa.Array) -> pa.Array:
    """Return servicer - owner; two int64 may be further apart than an int64 says."""
    if pc.all(pc.equal(servicer, owner)).as_py() is not False:
        return pa.repeat(pa.scalar(0, WIDE), len(servicer))
    wide = pa.decimal128(19, 0)
    return pc.subtract(servicer.cast(wide), owner.cast(wide)).cast(WIDE)


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
