"""An erasure reaches the readers by itself: of a lookup that found the entry nothing is left."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from committee_town import OUTSIDER, PHRASE, Town, make_town
from listed_people import person_of
from sqlalchemy import select
from sqlalchemy.orm import undefer

from devnet.local import EmbeddedChain
from node.bootstrap import Node
from node.cli import main
from node.kept_receipts import FORGOTTEN, REDUCED, WHOLE, receipt_label
from node.listings import open_listing
from node.screening.consents import Scope
from node.screening.deletions import RECEIPTS, explain_deletion
from node.screening.envelope import read_envelope
from node.screening.listings import pack_listing
from node.screening.profiles import profile_of
from node.screening.reduced import read_reduced
from node.screening.states import AUDIT_S, DAY_S
from node.screening.weighing import explain_envelope
from node.services.lookups import Found
from node.services.screening.detail import DetailView
from node.tables import (
    DeletionCertificate,
    Deposit,
    Erasure,
    HeldDetail,
    KnownStatement,
    LookupEntry,
    OwnLookup,
    SealedRecord,
)
from node.tables.base import Base
from reconcile.model import KanheError
from tests.databases import SERVER
from tests.node.services.test_screening_rest import program, refused
from tests.node.web.desk_town import Reader, invite, served

READER = 1
SERIAL, OTHER = 7, 8
EVIDENCE = (b"the contract that she signed", b"the letter that she was sent")
DISPUTE_S = profile_of("CN-2013").dispute_days * DAY_S
SCOPE = Scope.HIT | Scope.RECORD | Scope.EVIDENCE


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town of its own: its key epochs and its time go further than the others' can."""
    with EmbeddedChain(block_time_s=0) as chain:
        made = make_town(tmp_path_factory.mktemp("erased"), chain)
        epoch(made, 1)
        made.claim()
        yield made
        made.close()


def epoch(town: Town, number: int) -> None:
    """Let the committee make the next key epoch's key, and let it begin."""
    town.finish(town.run())
    town.begin(number)


def looked_up(town: Town, serial: int) -> Found:
    """Look somebody up as the reader does."""
    lookup = town.consented(READER, serial, scope=SCOPE)
    town.tickets(READER)
    (found,) = town.node(READER).lookups.look_up([lookup])
    assert isinstance(found, Found), found
    return found


def row_of(town: Town, lookup: int) -> OwnLookup:
    """Return a lookup's row, whole."""
    whole = (undefer(OwnLookup.receipt), undefer(OwnLookup.reduced))
    with town.node(READER).sessions() as session:
        return session.get_one(OwnLookup, lookup, options=whole)


def opened(town: Town) -> bytes:
    """Return every value of every row of the reader, with what its vault opens of its lookups."""
    node = town.node(READER)
    parts = []
    with node.sessions() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                parts += [one if isinstance(one, bytes) else str(one).encode() for one in row]
        whole = select(OwnLookup).options(undefer(OwnLookup.receipt))
        for lookup in session.scalars(whole):
            number = lookup.id.to_bytes(8, "big")
            for what in ("person", "consent"):
                if getattr(lookup, what):
                    label = f"lookup/{what}/".encode() + number
                    parts.append(node.keys.ring.open_bytes(getattr(lookup, what), label))
            if lookup.receipt is not None:
                data = node.keys.ring.open_bytes(lookup.receipt, receipt_label(lookup.id))
                parts.append(read_envelope(data).payload)
        for known in session.scalars(select(KnownStatement)):
            label = b"known/" + known.entry
            parts.append(node.keys.ring.open_bytes(known.salt, label))
    return b"".join(parts)


def shows(data: bytes, secret: bytes) -> bool:
    """Say whether bytes stand somewhere, as they are or in hexadecimal."""
    return secret in data or secret.hex().encode() in data


def files(town: Town) -> bytes:
    """Return the reader's database as it lies on the disk, its log and free pages included."""
    home = town.node(READER).home
    return b"".join(path.read_bytes() for path in sorted(home.glob("kanhe.db*")))


def final(town: Town) -> None:
    """Let what stands become final, and everybody act on it."""
    for _ in range(3):
        town.settle()
        town.chain.mine(5)
    town.settle()


@dataclass
class Story:
    """One erased entry, the reader's lookup of its person and of another, and what is secret."""

    town: Town
    entry: bytes
    stays: bytes
    found: Found
    neighbour: Found
    day: int
    ticket: int
    #: In clear: salt, statement and evidence; as the reader's rows hold them; as replicas do.
    secrets: tuple[bytes, ...]
    sealed: tuple[bytes, ...]
    receipt: bytes
    record: bytes
    later: int = 0

    @property
    def reader(self) -> Node:
        """Return the reader's node."""
        return self.town.node(READER)

    def on_disk(self, pieces: tuple[bytes, ...]) -> list[bool]:
        """Say of pieces whether the reader's files hold them."""
        data = files(self.town)
        return [piece[-40:] in data for piece in pieces]


@pytest.fixture(scope="module")
def story(town: Town) -> Story:
    """Looked up, with its evidence: the reader holds all there is; the tests go on from there."""
    # Listings and lookups on one day of the chain, whatever the time is here.
    town.pass_s(DAY_S - town.time_s() % DAY_S)
    entry, stays = (town.list(OUTSIDER, who, EVIDENCE) for who in (SERIAL, OTHER))
    town.publish()
    reader, uploader = town.node(READER), town.node(OUTSIDER)
    found, neighbour = looked_up(town, SERIAL), looked_up(town, OTHER)
    day = town.time_s() // DAY_S
    reader.screening.buy_detail_ticket(entry)
    town.settle()
    (ticket,) = reader.screening.detail_tickets(entry)
    assert isinstance(reader.screening.ask_detail(entry, ticket, found.receipt), DetailView)
    with uploader.sessions() as session:
        owned = open_listing(session, uploader.keys.ring, entry)
        record = session.get_one(SealedRecord, (entry, 1)).record
    with reader.sessions() as session:
        held = session.get_one(HeldDetail, ticket, options=[undefer(HeldDetail.documents)])
        known = session.get_one(KnownStatement, entry, options=[undefer(KnownStatement.salt)])
        sealed = (held.documents, known.salt, known.statement)
        assert set(session.scalars(select(LookupEntry.entry))) == {entry, stays}
    secrets = (owned.opened.salt, pack_listing(owned.opened.listing), *EVIDENCE)
    receipt = row_of(town, found.lookup).receipt
    assert receipt is not None
    assert reader.database.empty_log()
    made = Story(
        town, entry, stays, found, neighbour, day, ticket, secrets, sealed, receipt, record
    )
    assert SERVER or all(made.on_disk((*sealed, receipt)))
    assert shows(opened(town), secrets[0])
    return made


def test_statement_and_evidence_go_at_once(story: Story) -> None:
    """The uploader erases, nobody asks the reader for anything; its receipt stays for a while."""
    town, entry, reader = story.town, story.entry, story.reader
    town.erase(OUTSIDER, entry)
    final(town)
    with reader.sessions() as session:
        assert session.get(KnownStatement, entry) is None
        assert session.get(KnownStatement, story.stays) is not None
        assert session.get_one(HeldDetail, story.ticket).erased_at_ms is not None
        wish = session.get_one(Erasure, entry)
        erased_at_s = session.get_one(DeletionCertificate, (entry, OUTSIDER)).block_time_s
        assert (wish.asked_by, wish.hash) == ("ledger", None)
        assert wish.receipts_until_s == erased_at_s + DISPUTE_S
    assert not any(story.on_disk(story.sealed))
    lookup = story.found.lookup
    assert reader.lookups.receipt(lookup) == story.found.receipt, "its proof of why it decided"
    (view,) = [one for one in reader.lookups.lookups() if one.lookup == lookup]
    assert (view.receipt_until_s, view.destroyed_for) == (erased_at_s + DISPUTE_S, None)
    assert refusal(reader.lookups.reduced_receipt, lookup) == "RECEIPT_WHOLE"


def test_the_receipt_goes_after_the_days_of_a_dispute(story: Story) -> None:
    """No byte of salt, statement or evidence is left; certified; what is left proves the lookup."""
    town, entry, reader, lookup = story.town, story.entry, story.reader, story.found.lookup
    town.pass_s(DISPUTE_S)
    final(town)
    row = row_of(town, lookup)
    assert (row.kept, row.receipt, row.destroyed_for) == (REDUCED, None, entry)
    assert row_of(town, story.neighbour.lookup).kept == WHOLE
    assert not any(story.on_disk((*story.sealed, story.receipt)))
    everything = opened(town)
    assert not any(shows(everything, secret) for secret in story.secrets)
    certified = {one for one, _, _ in town.node(2).screening.trace(entry).certificates}
    assert certified == {OUTSIDER, READER}
    envelope = reader.screening.certificate_of(entry)
    words = json.loads(read_envelope(envelope).payload)["destroyed"]
    assert words == ["salt", "statement", "evidence", "papers", "requests", RECEIPTS]
    assert any("an audit" in one for one in explain_deletion(envelope).not_proved)
    assert refusal(reader.lookups.receipt, lookup) == "RECEIPT_DESTROYED"
    (again,) = reader.lookups.look_up([lookup])
    assert isinstance(again, KanheError)
    assert again.code == "RECEIPT_DESTROYED"
    left = reader.lookups.reduced_receipt(lookup)
    explained = explain_envelope(left)
    assert explained.ok
    assert "was a HIT" in " ".join(explained.proved)
    told = read_reduced(read_envelope(left).payload)
    assert (told.ticket, told.erased, told.outcome) == (row.ticket, entry, "HIT")
    assert person_of(SERIAL).value.encode() not in left


def test_an_audit_opens_it_as_long_as_one_may_run(story: Story) -> None:
    """In its key epoch, in the next, and for the days of an audit that began last."""
    town, lookup = story.town, story.found.lookup
    assert audited(town, story.day) == (0, True)
    # A lookup of the same person by the same key gives T again.
    town.claim()
    town.publish()
    later = looked_up(town, SERIAL)
    assert later.outcome == "MISS"
    story.later = later.lookup
    for number in (2, 3):
        epoch(town, number)
        final(town)
        assert row_of(town, lookup).kept == REDUCED
        assert audited(town, story.day) == (0, True)
    assert row_of(town, story.later).kept == WHOLE


def test_then_nothing_of_the_person_is_left(story: Story) -> None:
    """Nor can anything be recomputed: no receipt gives T, no replica holds the record."""
    town, reader = story.town, story.reader
    town.pass_s(AUDIT_S)
    final(town)
    for lookup in (story.found.lookup, story.later):
        row = row_of(town, lookup)
        assert (row.kept, row.person, row.receipt) == (FORGOTTEN, b"", None)
    neighbour = story.neighbour
    assert reader.lookups.receipt(neighbour.lookup) == neighbour.receipt
    everything = opened(town)
    assert person_of(SERIAL).value.encode() not in everything
    assert person_of(OTHER).value.encode() in everything
    assert reader.lookups.receipts_about(person_of(SERIAL)) == ()
    asked = functools.partial(reader.lookups.consent_request, name="m1")
    assert refusal(asked, story.found.lookup) == "LOOKUP_ERASED"
    erased, holds = audited(town, story.day)
    assert (erased > 0, holds) == (True, True)
    # Nor at the replicas, of which this reader is one: T of that key epoch would open it there.
    for node in town.committee:
        with node.sessions() as session:
            left = session.get(Deposit, (1, story.entry))
            assert left is None or left.record == b""
        for path in (node.home / "replica").rglob("*"):
            assert not path.is_file() or story.record not in path.read_bytes(), path.name
    # A consent that this institution gave for her can be revoked still.
    digest = row_of(town, story.found.lookup).digest
    assert reader.lookups.revoke(story.found.lookup) == digest
    town.settle()


def refusal(call: Callable[[int], object], lookup: int) -> str:
    """Return the code with which a call is refused."""
    with pytest.raises(KanheError) as caught:
        call(lookup)
    return caught.value.code


def audited(town: Town, day: int) -> tuple[int, bool]:
    """Audit every evaluation of a day; return how many of lookups were erased, and if it holds."""
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    report = service.audit(day, one_of=1)
    assert report.wrong == []
    # The uploader's own evaluation of the erased listing is one of them.
    return report.erased.total() - 1, report.holds


def test_the_operator_sees_it(
    story: Story,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By command, over REST and on the desk, in both languages."""
    folder, lookup = tmp_path, story.found.lookup
    node = story.reader
    (folder / "phrase").write_text(PHRASE)
    monkeypatch.setenv("KANHE_PASSPHRASE_FILE", str(folder / "phrase"))
    home = ["--home", str(node.home)]
    assert main(["blacklist", "lookups", *home]) == 0
    assert f"lookup {lookup}: receipt destroyed on" in capsys.readouterr().out
    out = ["blacklist", "receipt", str(lookup), "--out", str(folder / "receipt.json"), *home]
    assert main(out) != 0
    assert "RECEIPT_DESTROYED" in capsys.readouterr().err
    assert main([*out, "--reduced"]) == 0
    assert main(["verify", str(folder / "receipt.json")]) == 0
    assert "proves nothing" not in capsys.readouterr().out
    with served({"reader": node}) as base, program(node, base, "reader", "maker") as maker:
        rows = maker.get("/lookups").json()
        (row,) = [one for one in rows if one["lookup"] == str(lookup)]
        assert row["forgotten"] is True
        assert row["destroyed_for"] is not None
        status, code = refused(maker.get(f"/lookups/{lookup}/receipt"))
        assert (status, code) == (404, "RECEIPT_DESTROYED")
        kept = maker.get(f"/lookups/{lookup}/receipt", params={"reduced": True})
        assert kept.content == (folder / "receipt.json").read_bytes()
        browser = Reader(base, "reader")
        browser.enter(invite(node, "maker"))
        page = browser.get("/blacklist/lookups")
        assert "its entry was erased" in page
        assert "whom it concerned was destroyed too" in page
        assert "回执已于" in browser.client.get("/reader/blacklist/lookups?lang=zh").text
        browser.client.close()
