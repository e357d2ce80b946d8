"""Requests for evidence after an erasure: at reader, uploader and custodians nothing is left."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from sqlalchemy import select

from node.screening.custody_messages import Told, enclosed_info, pack, read_custody_request
from node.screening.releases import HitVerdict, read_request
from node.services.screening import ScreeningService
from node.tables import (
    CustodyAsk,
    CustodyNotice,
    HeldDetail,
    KnownStatement,
    OwnCustodyAsk,
    Release,
)
from reconcile.model import ZERO32
from tests import databases
from tests.node.services.blacklist_looking import buy_detail, look
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import (
    KEEPERS,
    READER,
    UPLOADER,
    beta,
    connect,
    detail,
    go_silent,
    kept,
    refused,
    ticket_of,
    waiting,
    wire,
)
from tests.node.services.following_tools import final

SERIALS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


@pytest.fixture
def asked(town: BlacklistTown) -> tuple[bytes, int, bytes]:
    """An entry whose evidence custodians released, the ticket, and the receipt that found it."""
    entry = kept(town, next(SERIALS))
    receipt = look(town, READER, UPLOADER, entry)
    answered, ticket = ticket_of(town, entry), ticket_of(town, entry)
    assert detail(town, entry, answered, receipt).complete
    said = beta(town).attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    town.node(UPLOADER).screening.take_attestation(said)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    go_silent(town)
    assert detail(town, entry, ticket, receipt).custodians
    connect(town)
    town.settle()
    return entry, ticket, receipt


def left(town: BlacklistTown, entry: bytes) -> dict[str, list[bytes]]:
    """Return what rows about an entry still hold of what was asked, released and told."""
    found: dict[str, list[bytes]] = {}
    with town.node(READER).database.reading() as session:
        asks = session.scalars(select(OwnCustodyAsk).where(OwnCustodyAsk.entry == entry)).all()
        held = session.scalars(select(HeldDetail).where(HeldDetail.entry == entry)).all()
        found["asks"] = [part for row in asks for part in (row.enclosed, row.request)]
        found["held"] = [part for row in held for part in (row.documents, row.receipt)]
    with town.node(UPLOADER).database.reading() as session:
        given = select(Release).where(Release.entry == entry, Release.consent != ZERO32)
        told = select(CustodyNotice.request).where(CustodyNotice.entry == entry)
        rows = session.scalars(given).all()
        found["released"] = [part for row in rows for part in (row.package, row.receipt)]
        found["told"] = list(session.scalars(told))
    for member in KEEPERS:
        with town.node(member).database.reading() as session:
            seen = session.scalars(select(CustodyAsk).where(CustodyAsk.entry == entry)).all()
            found[f"keeper {member}"] = [
                part for row in seen for part in (row.request, row.enclosed, row.package)
            ]
    return {name: [part for part in parts if part] for name, parts in found.items()}


def erased(town: BlacklistTown, entry: bytes) -> None:
    """Let the uploader erase an entry, and that become final for the readers."""
    town.erase(UPLOADER, entry)
    final(town)


def test_nothing_of_a_request_is_left_after_the_erasure(
    town: BlacklistTown, asked: tuple[bytes, int, bytes]
) -> None:
    """Sealed to the uploader, it held the salt of her consent: rows and files lose it at once."""
    entry, ticket, receipt = asked
    before = left(town, entry)
    assert all(before.values()), "there is something to be destroyed"
    uploader = town.node(UPLOADER)
    with town.node(READER).database.reading() as session:
        row = session.get_one(OwnCustodyAsk, ticket)
        request, _ = read_custody_request(row.request)
        info = enclosed_info(request.domain, entry, ticket)
        with uploader.database.reading() as theirs:
            keys = uploader.keys.ring.sealing_keys(theirs, ZERO32)
        opened, _ = read_request(keys[row.sealing].open(row.enclosed, info))
        assert opened.consent.salt, "by which her commitment is opened, and guessed without it"
    erased(town, entry)
    assert not any(left(town, entry).values())
    if not databases.SERVER:
        for path in town.node(READER).home.glob("kanhe.db*"):
            data = path.read_bytes()
            for part in (*before["asks"], *before["held"]):
                assert part[-64:] not in data, path.name
    # An attestation, which has no hash of a document, still shows whom a recall reaches.
    with uploader.database.reading() as session:
        said = select(Release.receipt).where(Release.entry == entry, Release.consent == ZERO32)
        assert all(session.scalars(said).all())
    connect(town, UPLOADER)
    assert refused(beta(town).ask_detail, entry, ticket, receipt) == "LISTING_ERASED"


def test_a_crash_before_it_is_noted_leaves_the_step_to_be_done_again(
    town: BlacklistTown, asked: tuple[bytes, int, bytes]
) -> None:
    """The reader dies within its step: all of it stands, and the next start takes it up."""
    entry, _, _ = asked
    act = ScreeningService._act

    def broken(service: ScreeningService, *args: object, **details: str) -> None:
        if details.get("by") == "ledger":
            raise RuntimeError("died")
        act(service, *args, **details)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScreeningService, "_act", broken)
        erased(town, entry)
        rows = left(town, entry)
        assert rows["asks"]
        assert rows["held"]
    town.reopen(READER)
    connect(town)
    final(town)
    assert not any(left(town, entry).values())


def test_what_an_uploader_is_told_late_is_not_kept(
    town: BlacklistTown, asked: tuple[bytes, int, bytes]
) -> None:
    """A custodian's notice that comes after the erasure: whom a recall reaches, and no request."""
    entry, ticket, _ = asked
    with town.node(3).database.reading() as session:
        row = session.get_one(CustodyAsk, ticket)
        receipts = msgspec.msgpack.decode(row.receipts)
        told = pack(Told(row.request, row.sealing, row.enclosed, receipts))
    erased(town, entry)
    uploader = town.node(UPLOADER)
    with uploader.database.writing.begin() as session:
        session.delete(session.get_one(CustodyNotice, (ticket, 3)))
    assert uploader.screening.told_custody(3, told) == b""
    with uploader.database.reading() as session:
        again = session.get_one(CustodyNotice, (ticket, 3))
        assert (again.request, again.reader) == (b"", READER)


def test_what_is_asked_anew_is_gone_with_the_next_turn(
    town: BlacklistTown, asked: tuple[bytes, int, bytes]
) -> None:
    """A receipt that lay in a file finds the entry once more, and another ticket asks for it."""
    entry, ticket, receipt = asked
    another = buy_detail(town, READER, entry)
    erased(town, entry)
    connect(town, UPLOADER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScreeningService, "_hear", lambda *_: None)
        assert beta(town).ask_detail(entry, another, receipt) is None
    assert left(town, entry)["asks"]
    town.settle(READER)
    assert not any(left(town, entry).values())
    with town.node(READER).database.reading() as session:
        assert session.get(KnownStatement, entry) is None
    # An earlier release destroyed all but these.
    with town.node(READER).database.writing.begin() as session:
        session.get_one(OwnCustodyAsk, ticket).enclosed = b"sealed to the uploader"
        session.get_one(HeldDetail, ticket).receipt = b"of documents"
    town.reopen(READER)
    final(town)
    assert not any(left(town, entry).values())


def test_older_copies_are_destroyed_again(
    town: BlacklistTown, asked: tuple[bytes, int, bytes]
) -> None:
    """Reader and uploader are put back to before the erasure: what was asked goes at once."""
    entry, _, _ = asked
    homes = {member: town.node(member).home for member in (READER, UPLOADER)}
    for member, home in homes.items():
        town.node(member).close()
        databases.copy(home / "kanhe.db", home / "older.db")
        town.reopen(member)
    connect(town)
    erased(town, entry)
    for member, home in homes.items():
        town.node(member).close()
        databases.copy(home / "older.db", home / "kanhe.db")
        back = town.reopen(member)
        for _ in range(2):
            for _ in range(4):
                back.step()
            # It has read up: a new block lets it look around at once.
            town.chain.mine()
    assert not any(left(town, entry).values())
