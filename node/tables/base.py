"""What every table shares: column types, names of constraints, marks of origin.

Hashes, addresses and keys are raw bytes (`BYTEA`, `BLOB`), never hex text. Times are
milliseconds since 1970 UTC, the chain's are seconds (`_s`). Amounts are `BIGINT` minor units;
sums may pass 63 bits and are decimal strings. JSON columns hold only strings, lists, maps,
booleans and small integers.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers rows by itself only in a column of the very type INTEGER.
_ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")


class RawBytes(LargeBinary):
    """Bytes that go to the driver as they are: both drivers take `bytes`, and wrapping costs."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Wrap nothing on the way in."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Copy nothing on the way out."""


RowId = Annotated[int, mapped_column(_ROW_ID, primary_key=True, autoincrement=True)]
Ref = Annotated[int, mapped_column(_ROW_ID)]
Big = Annotated[int, mapped_column(BigInteger)]
Bytes20 = Annotated[bytes, mapped_column(RawBytes(20))]
Bytes32 = Annotated[bytes, mapped_column(RawBytes(32))]
Blob = Annotated[bytes, mapped_column(RawBytes)]
Word = Annotated[str, mapped_column(String(40))]
Name = Annotated[str, mapped_column(String(256))]
LongText = Annotated[str, mapped_column(Text)]
# A sum in minor units, as a decimal string: 40 digits hold 2^128.
Sum = Annotated[str, mapped_column(String(40))]
Json = Annotated[Any, mapped_column(JSON)]
MAX_INTEGER: Final = 2**31 - 1
MAX_BIGINT: Final = 2**63 - 1


class Base(DeclarativeBase):
    """The root of all mapped tables."""

    metadata = MetaData(naming_convention=NAMING)


class OnChain:
    """Columns of every row that follows from one log of the chain."""

    block_number: Mapped[Big] = mapped_column(index=True)
    log_index: Mapped[int]


# Marks a table as a pure function of the chain's log (and of keys this node holds): it may be
# dropped and replayed.
DERIVED: Final = {"info": {"origin": "chain"}}


@functools.cache
def _bounds(mapper: Mapper[Any]) -> tuple[tuple[str, int], ...]:
    """Return the integer attributes of a derived table with the most that each column holds."""
    table = mapper.local_table
    if not isinstance(table, Table) or table.info.get("origin") != "chain":
        return ()
    return tuple(
        (mapper.get_property_by_column(column).key, bound)
        for column in table.c
        if (bound := column_bound(column.type)) is not None
    )


def column_bound(kind: object) -> int | None:
    """Return the most that a column of integers holds, None for another column."""
    if not isinstance(kind, Integer):
        return None
    return MAX_BIGINT if isinstance(kind, BigInteger) else MAX_INTEGER


@event.listens_for(Base, "before_insert", propagate=True)
@event.listens_for(Base, "before_update", propagate=True)
def _clip(mapper: Mapper[Any], _connection: Connection, row: Base) -> None:
    """Clip what a row that follows from the ledger says to what its columns hold.

    The ledger's integers are unsigned, and whoever may call a contract chooses some of them: one
    that no column holds would end every follower at its block, for ever.
    """
    for name, bound in _bounds(mapper):
        value = getattr(row, name)
        if isinstance(value, int) and value > bound:
            setattr(row, name, bound)


def derived_tables() -> list[Table]:
    """Return the tables that a replay rebuilds, parents first."""
    return [t for t in Base.metadata.sorted_tables if t.info.get("origin") == "chain"]
