"""A reader's erasure follows its uploader's: by what is final, through crashes and older copies."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pytest
from sqlalchemy import select

import node.kept_receipts
from node.bootstrap import write_target
from node.db import Database
from node.errors import NotFound
from node.kept_receipts import REDUCED, UNREAD, WHOLE, receipt_label
from node.screening.profiles import profile_of
from node.screening.states import DAY_S, OPENABLE_DAYS
from node.services.screening import ScreeningService
from node.tables import (
    DeletionCertificate,
    Erasure,
    ListedEntry,
    LookupEntry,
    OwnLookup,
    OwnPaper,
)
from tests import databases
from tests.node.services.blacklist_looking import look
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

SERIALS = itertools.count(7)


@pytest.fixture
def entry(town: BlacklistTown) -> bytes:
    """An entry about somebody new, before anybody looked her up."""
    return listed(town, next(SERIALS))


@pytest.fixture
def read(town: BlacklistTown, entry: bytes) -> tuple[bytes, int]:
    """An entry that the reader found by a lookup, and that lookup."""
    return entry, kept(town, entry)


def fails(what: str, patch: pytest.MonkeyPatch) -> None:
    """Let a step fail as a crash within it would."""

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError(what)

    if what == "begin":
        honest = ScreeningService._act

        def act(self: ScreeningService, *args: object, **details: str) -> None:
            if details.get("by") == "ledger":
                broken()
            honest(self, *args, **details)  # type: ignore[arg-type]

        patch.setattr(ScreeningService, "_act", act)
    elif what == "log":
        patch.setattr(Database, "empty_log", lambda _: False)
    elif what == "reduce":
        patch.setattr(node.kept_receipts, "sign_reduced", broken)
    else:
        signs = ScreeningService._certificate

        def certificate(
            self: ScreeningService, row: ListedEntry, member: int, now: object
        ) -> bytes:
            if row.uploader != member:
                broken()
            return signs(self, row, member, now)  # type: ignore[arg-type]

        patch.setattr(ScreeningService, "_certificate", certificate)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("begin", ["statement", "receipt"]),
        ("log", []),
        ("reduce", ["receipt"]),
        ("certify", []),
    ],
)
def test_a_crash_at_any_step_is_gone_on_from(
    town: BlacklistTown, read: tuple[bytes, int], what: str, left: list[str]
) -> None:
    """What failed left all of its step as it was; the next start takes it up and ends it."""
    entry, lookup = read
    whole = row_of(town, lookup).receipt
    assert whole is not None
    with pytest.MonkeyPatch.context() as patch:
        fails(what, patch)
        erased(town, entry)
        town.pass_days(DAYS + 1)
        final(town)
        assert held(town, entry) == left
        assert (READER in certified(town, entry)) == (what == "log")
        with town.node(READER).database.reading() as session:
            wish = session.get(Erasure, entry)
            assert (wish is None) == (what == "begin")
            assert wish is None or (wish.hash is None) == (what != "log")
    town.reopen(READER)
    final(town)
    assert held(town, entry) == []
    assert certified(town, entry) == {UPLOADER, READER}
    assert row_of(town, lookup).kept == REDUCED
    if not databases.SERVER:
        for path in town.node(READER).home.glob("kanhe.db*"):
            assert whole[-64:] not in path.read_bytes(), path.name


def test_who_erases_by_hand_keeps_no_receipt(town: BlacklistTown, read: tuple[bytes, int]) -> None:
    """Begun by itself, it ends at once where a person asks for it."""
    entry, lookup = read
    erased(town, entry)
    assert held(town, entry) == ["receipt"]
    assert town.node(READER).screening.erase(entry, actor="lin") is not None
    assert held(town, entry) == []
    final(town)
    assert certified(town, entry) == {UPLOADER, READER}
    with town.node(READER).database.reading() as session:
        assert session.get_one(Erasure, entry).asked_by == "lin"
    assert row_of(town, lookup).reduced is not None


def test_who_holds_no_receipt_certifies_at_once(town: BlacklistTown, entry: bytes) -> None:
    """A statement that was read from another's receipt; a node that read nothing is silent."""
    town.node(READER).screening.read_receipt(look(town, READER, UPLOADER, entry))
    erased(town, entry)
    assert held(town, entry) == []
    assert certified(town, entry) == {UPLOADER, READER}


def test_own_papers_wait_with_the_receipts(town: BlacklistTown, entry: bytes) -> None:
    """Who disputed an entry keeps its grounds for the same days."""
    town.node(READER).screening.open_dispute(entry, "it was paid", by_person=True)
    town.settle()
    town.pass_days(profile_of("CN-2013").answer_days + 1)
    erased(town, entry)

    def papers() -> int:
        with town.node(READER).database.reading() as session:
            return len(session.scalars(select(OwnPaper).where(OwnPaper.entry == entry)).all())

    assert (papers(), certified(town, entry)) == (1, {UPLOADER})
    town.pass_days(DAYS + 1)
    final(town)
    assert (papers(), certified(town, entry)) == (0, {UPLOADER, READER})


def test_receipts_go_though_nothing_may_be_sent(
    town: BlacklistTown, read: tuple[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that is suspended destroys all the same, and certifies once it may."""
    entry, _ = read
    reader = town.node(READER).screening
    with monkeypatch.context() as patch:
        patch.setattr(reader, "_may_send", lambda: False)
        erased(town, entry)
        assert held(town, entry) == ["receipt"]
        town.pass_days(DAYS + 1)
        final(town)
        assert held(town, entry) == []
        assert certified(town, entry) == {UPLOADER}
    final(town)
    assert certified(town, entry) == {UPLOADER, READER}


@pytest.mark.parametrize("opens", [True, False])
def test_receipts_of_an_earlier_release_are_read_first(
    town: BlacklistTown, read: tuple[bytes, int], opens: bool
) -> None:
    """Which entries they found was not noted then; one that does not open any more goes too."""
    entry, lookup = read
    with town.node(READER).database.writing.begin() as session:
        row = session.get_one(OwnLookup, lookup)
        row.kept = UNREAD if opens else WHOLE
        if not opens:
            row.receipt = town.node(READER).keys.ring.seal_bytes(b"noise", receipt_label(lookup))
        else:
            session.delete(session.get_one(LookupEntry, (lookup, entry)))
    town.settle(READER)
    assert row_of(town, lookup).kept == WHOLE
    erased(town, entry)
    town.pass_days(DAYS + 1)
    final(town)
    row = row_of(town, lookup)
    assert (row.kept, row.receipt, row.reduced is not None) == (REDUCED, None, opens)
    asked: list[Callable[[int], bytes]] = [town.node(READER).lookups.receipt]
    if not opens:
        asked.append(town.node(READER).lookups.reduced_receipt)
    for ask in asked:
        with pytest.raises(NotFound) as caught:
            ask(lookup)
        assert caught.value.code == "RECEIPT_DESTROYED"


def test_nothing_goes_before_it_is_final_and_a_fork_takes_it_back(
    town: BlacklistTown, read: tuple[bytes, int]
) -> None:
    """The uploader's certificate stands, then does not: only a final one is followed."""
    entry, _ = read
    # To this reader a block is final when twelve stand on it; to the others it is at once.
    town.node(READER).close()
    write_target(town.node(READER).home, dataclasses.replace(town.target, profile="embedded"))
    reader = town.reopen(READER)
    town.node(UPLOADER).screening.erase(entry)
    town.settle(UPLOADER)
    town.chain.rpc("evm_increaseTime", OPENABLE_DAYS * DAY_S)
    snapshot = ""
    for _ in range(40):
        snapshot = town.chain.rpc("evm_snapshot")
        town.node(UPLOADER).step()
        town.chain.mine()
        reader.follower.catch_up()
        with reader.database.reading() as session:
            if session.get(DeletionCertificate, (entry, UPLOADER)) is not None:
                break
    else:
        raise AssertionError("the uploader certifies")
    for _ in range(3):
        reader.step()
    assert held(town, entry) == ["statement", "receipt"]
    town.chain.rpc("evm_revert", snapshot)
    town.chain.mine(3)
    for _ in range(3):
        reader.step()
    with reader.database.reading() as session:
        assert session.get(DeletionCertificate, (entry, UPLOADER)) is None, "the fork took it back"
    assert held(town, entry) == ["statement", "receipt"]
    # The uploader's node sends it again; this time it becomes final. The fork took the days too.
    town.chain.rpc("evm_increaseTime", OPENABLE_DAYS * DAY_S)
    for _ in range(60):
        for member in (UPLOADER, READER):
            town.node(member).step()
        town.chain.mine()
    assert held(town, entry) == ["receipt"]
