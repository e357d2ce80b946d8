"""Many rows at once: by the table and not the class, so that a large file needs no objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from node.db import bulk_insert
from node.tables import Base


def insert_rows(session: Session, model: type[Base], rows: Iterable[dict[str, Any]]) -> int:
    """Insert rows of one table, all with the same columns; return how many."""
    found = list(rows)
    if found:
        table = model.__table__
        assert isinstance(table, Table), "a mapped class has a table"
        bulk_insert(session, table, found)
    return len(found)
