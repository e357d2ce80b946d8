"""What comes to be held while a turn looks is looked at by the next one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from node.services.screening import reading
from node.tables import KnownStatement
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import READER, UPLOADER, beta, connect, kept, wire
from tests.node.services.following_tools import final

SERIALS = itertools.count(71)


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Let the nodes speak to each other."""
    wire(town)


def known(town: BlacklistTown, entry: bytes) -> bool:
    """Say whether the reader holds an entry's statement."""
    with town.node(READER).database.reading() as session:
        return session.get(KnownStatement, entry) is not None


def beside(work: Callable[[], object]) -> None:
    """Do something in another thread, as a turn goes beside a desk's call."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)


def test_a_look_within_the_transaction_is_not_the_last(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erased statement is read again; the turn that looks before the commit finds nothing."""
    entry = kept(town, next(SERIALS))
    receipt = look(town, READER, UPLOADER, entry)
    connect(town, UPLOADER)
    beta(town).read_receipt(receipt)
    town.erase(UPLOADER, entry)
    final(town)
    assert not known(town, entry)
    whole = reading.know_statement

    def slow(*args: object, **more: object) -> object:
        beside(beta(town).destroy_erased)
        return whole(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "know_statement", slow)
    beta(town).read_receipt(receipt)
    monkeypatch.undo()
    assert known(town, entry)
    final(town, READER)
    assert not known(town, entry)
