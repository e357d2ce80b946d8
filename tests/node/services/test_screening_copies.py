"""Older copies of a reader's database, put back while its erasure waits and after it ended."""

from __future__ import annotations

from node.bootstrap import Node
from node.kept_receipts import REDUCED
from node.tables import DeletionCertificate, Erasure
from tests import databases
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.following_tools import (
    DAYS,
    READER,
    UPLOADER,
    certified,
    erased,
    final,
    held,
    kept,
    listed,
    row_of,
)


def copied(town: BlacklistTown, name: str) -> None:
    """Keep a copy of the reader's database."""
    home = town.node(READER).home
    town.node(READER).close()
    databases.copy(home / "kanhe.db", home / name)
    town.reopen(READER)


def restored(town: BlacklistTown, name: str) -> Node:
    """Put the copy back, and let the node take a few turns."""
    home = town.node(READER).home
    town.node(READER).close()
    databases.copy(home / name, home / "kanhe.db")
    back = town.reopen(READER)
    for _ in range(4):
        back.step()
    return back


def test_older_copies_are_destroyed_again(town: BlacklistTown) -> None:
    """From before the erasure and from between its steps, put back before and after its end."""
    entry = listed(town, 7)
    lookup = kept(town, entry)
    copied(town, "before.db")
    erased(town, entry)
    restored(town, "before.db")
    assert held(town, entry) == ["receipt"], "the statement is gone with the first turns"
    copied(town, "between.db")
    town.pass_days(DAYS + 1)
    final(town)
    assert certified(town, entry) == {UPLOADER, READER}
    for name in ("before.db", "between.db"):
        back = restored(town, name)
        assert held(town, entry) == []
        assert row_of(town, lookup).kept == REDUCED
        with back.database.reading() as session:
            stands = session.get_one(DeletionCertificate, (entry, READER))
            assert session.get_one(Erasure, entry).hash == stands.certificate
        assert back.screening.react() == 0, "nothing is left to do"
