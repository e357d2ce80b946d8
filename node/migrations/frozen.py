"""The short words in which migrations write tables down; what they mean never changes.

A column is "name:type", then "?" where it may be null, then ">table.column" for a foreign key
(">>" deletes with its parent). A migration that needs a new type adds it here and changes none.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

_ROW_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TYPES: Final[dict[str, Any]] = {
    "big": sa.BigInteger(),
    "blob": sa.LargeBinary(),
    "bool": sa.Boolean(),
    "bytes20": sa.LargeBinary(20),
    "bytes32": sa.LargeBinary(32),
    "id": _ROW_ID,
    "int": sa.Integer(),
    "json": sa.JSON(),
    "name": sa.String(256),
    "ref": _ROW_ID,
    "text": sa.Text(),
    "word": sa.String(40),
}
NOTHING_ADDED: Final[Mapping[str, bytes]] = {}
NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def metadata() -> sa.MetaData:
    """Return an empty set of tables with our names for constraints."""
    return sa.MetaData(naming_convention=NAMING)


def table(
    tables: sa.MetaData,
    name: str,
    columns: str,
    *,
    key: str,
    unique: Sequence[str] = (),
    index: Sequence[str] = (),
) -> sa.Table:
    """Write one table down; `key`, `unique` and `index` name columns with spaces between."""
    keys = key.split()
    parts = [_column(text, keys) for text in columns.split()]
    constraints = [sa.UniqueConstraint(*names.split()) for names in unique]
    made = sa.Table(name, tables, *parts, *constraints)
    for names in index:
        sa.Index(None, *(made.c[column] for column in names.split()))
    return made


def rebuild(
    bind: sa.Connection, made: sa.Table, *, added: Mapping[str, bytes] = NOTHING_ADDED
) -> None:
    """Make a table anew in another form, and keep its rows; SQLite alters none in place.

    `added` are columns that it had not, with what stands there in the rows of then.
    """
    names = [column.name for column in made.columns if column.name not in added]
    columns = (sa.Column(name, made.c[name].type) for name in names)
    kept = sa.Table("kept_rows", sa.MetaData(), *columns)
    kept.create(bind)
    bind.execute(sa.insert(kept).from_select(names, sa.select(*(made.c[name] for name in names))))
    made.drop(bind)
    made.create(bind)
    values = [sa.literal(value, made.c[name].type) for name, value in added.items()]
    rows = sa.select(*kept.columns, *values)
    bind.execute(sa.insert(made).from_select([*names, *added], rows))
    kept.drop(bind)


def _column(text: str, keys: Sequence[str]) -> sa.Column[Any]:
    words, _, target = text.partition(">")
    name, kind = words.removesuffix("?").split(":")
    foreign = []
    if target:
        ondelete = "CASCADE" if target.startswith(">") else None
        foreign = [sa.ForeignKey(target.removeprefix(">"), ondelete=ondelete)]
    return sa.Column(
        name,
        TYPES[kind],
        *foreign,
        primary_key=name in keys,
        autoincrement=kind == "id",
        nullable=words.endswith("?"),
    )
