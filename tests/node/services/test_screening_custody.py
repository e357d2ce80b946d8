"""Custody: custodians stand in for an uploader that is silent."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from node.cli import main
from node.crypto.oprf.group import random_scalar
from node.crypto.signer import LocalSigner
from node.listings import open_listing
from node.screening.consents import Scope
from node.screening.custody import (
    claim_key,
)
from node.screening.custody_messages import (
    Ask,
    Told,
    pack,
    read_custody_release,
    read_custody_request,
    write_custody_request,
)
from node.screening.envelope import read_envelope
from node.screening.messages import MAX_MESSAGE_BYTES
from node.screening.receipts import read_receipt
from node.screening.releases import read_request
from node.services.screening.detail import DetailView
from node.services.screening.hearing import WaitingView
from node.services.screening.keeping import custody_label
from node.services.screening.service import ScreeningService
from node.tables import (
    CustodyAsk,
    CustodyDelivery,
    CustodyNotice,
    HeldCustody,
    HeldDetail,
    OwnCustody,
    OwnCustodyAsk,
)
from reconcile.model import OutsideError
from tests.node.services.blacklist_looking import Wires, buy, look, revoke
from tests.node.services.blacklist_town import PHRASE, BlacklistTown
from tests.node.services.custody_tools import (
    KEEPERS,
    READER,
    UPLOADER,
    beta,
    connect,
    detail,
    go_silent,
    incidents,
    kept,
    refused,
    ticket_of,
    waiting,
    wire,
)
from tests.node.services.test_screening_rest import program
from tests.node.web.desk_town import served


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


def test_custodians_release_what_a_silent_uploader_does_not(town: BlacklistTown) -> None:
    """Told at once, they wait a day of the chain; two of three open; the uploader is told."""
    entry = kept(town, 1)
    with town.node(UPLOADER).database.reading() as session:
        own = session.get_one(OwnCustody, (entry, 1))
        assert own.secret == b"", "every custodian has its share: the polynomial is gone"
        assert None not in session.scalars(select(CustodyDelivery.taken_at_ms)).all()
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    told = waiting(town, entry, ticket, receipt)
    assert told.silence == "PEER_UNREACHABLE"
    assert set(told.custodians) == set(KEEPERS)
    assert told.from_s is not None
    town.settle(*KEEPERS)
    assert waiting(town, entry, ticket, receipt).from_s == told.from_s, "the clock began once"
    go_silent(town)
    view = detail(town, entry, ticket, receipt)
    assert view.complete
    assert view.documents == (b"the evidence against 1",)
    assert len(view.custodians) == 2
    assert beta(town).details(entry)[0].documents == view.documents
    assert detail(town, entry, ticket, receipt) == view, "the same answer again"
    assert [one.custodian for one in town.node(UPLOADER).screening.trace(entry).custody.told] == []
    (here,) = town.node(1).screening.trace(entry).custody.asked
    assert (here.reader, here.ticket, here.released_at_ms is not None) == (READER, ticket, True)
    connect(town)
    town.settle()
    seen = town.node(UPLOADER).screening.trace(entry)
    assert [(one.custodian, one.reader, one.ticket) for one in seen.custody.told] == [
        (member, READER, ticket) for member in KEEPERS
    ]
    assert incidents(town, UPLOADER, "CUSTODY_ASK_FALSE") == []
    with town.node(READER).database.reading() as session:
        envelopes = msgspec.msgpack.decode(session.get_one(HeldDetail, ticket).receipt)
    assert {read_custody_release(one)[0].custodian for one in envelopes} == set(KEEPERS)
    # A change reaches the reader, though its uploader released nothing itself.
    uploader = town.node(UPLOADER).screening
    uploader.withdraw(entry)
    town.settle()
    assert uploader.recall(entry) == 1
    town.settle()
    assert beta(town).acknowledge(entry) == 1
    town.settle()
    assert uploader.trace(entry).recalls == (1, 1)


def test_an_uploader_that_answers_meanwhile_is_given_on(town: BlacklistTown) -> None:
    """Cut off from the reader alone, it answers through a custodian, and refuses through one."""
    entry = kept(town, 2)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    apart = Wires(town, READER, frozenset({UPLOADER}))
    connect(town)
    beta(town)._peers = apart  # type: ignore[assignment]
    waiting(town, entry, ticket, receipt)
    town.settle()
    view = detail(town, entry, ticket, receipt)
    assert (view.custodians, view.documents) == ((), (b"the evidence against 2",))
    assert [item[:2] for item in town.node(UPLOADER).screening.trace(entry).releases] == [
        (ticket, READER)
    ]
    # What it refuses is an answer too: nobody releases in its place.
    other = look(town, READER, UPLOADER, entry)
    second = ticket_of(town, entry)
    waiting(town, entry, second, other)
    consent = read_receipt(read_envelope(other).payload).consent.consent
    with town.node(1).database.writing.begin() as session:
        # The uploader answered one custodian alone: its word keeps the others from nothing.
        row = session.get_one(CustodyAsk, second)
        row.refusal_code, row.refusal_says = "CONSENT_OTHER_PERSON", "of another person"
        # No custodian alone keeps its uploader's answer from the reader.
        spoilt = session.get_one(CustodyAsk, ticket)
        whole, spoilt.package = spoilt.package, b"no release"
    assert detail(town, entry, ticket, receipt).documents == (b"the evidence against 2",)
    assert whole
    with town.node(1).database.writing.begin() as session:
        session.get_one(CustodyAsk, ticket).package = whole
    told = waiting(town, entry, second, other)
    assert told.custodians[1] == "heard the uploader refuse it: CONSENT_OTHER_PERSON"
    for member in (2, 3):
        with town.node(member).database.writing.begin() as session:
            row = session.get_one(CustodyAsk, second)
            row.refusal_code, row.refusal_says = "CONSENT_OTHER_PERSON", "of another person"
    assert refused(beta(town).ask_detail, entry, second, other) == "CONSENT_OTHER_PERSON"
    connect(town, UPLOADER)
    revoke(town, READER, consent)
    go_silent(town)
    assert refused(beta(town).ask_detail, entry, second, other) == "CUSTODY_BELOW_THRESHOLD"


def test_each_custodian_refuses_what_the_uploader_would(town: BlacklistTown) -> None:
    """No consent, no claim, another's ticket or name: nothing is kept, no clock begins."""
    entry = kept(town, 3)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    with town.node(READER).database.reading() as session:
        row = session.get_one(OwnCustodyAsk, ticket)
        sealing, enclosed = row.sealing, row.enclosed
        request, _ = read_custody_request(row.request)
    keys = town.node(READER).keys
    with town.node(UPLOADER).database.reading() as session:
        opened = open_listing(session, town.node(UPLOADER).keys.ring, entry).opened
    claim = claim_key(opened.salt, entry)
    gamma = town.node(3).screening

    def says(asked: object, *, reader: int = READER, claims: LocalSigner = claim) -> str:
        envelope = write_custody_request(asked, keys.approver, claims)  # type: ignore[arg-type]
        return refused(gamma.ask_custody, reader, pack(Ask(envelope, sealing, enclosed)))

    second = ticket_of(town, entry)
    asked = read_request(beta(town).request_detail(entry, second, receipt))[0]
    fresh = replace(request, ticket=second, salt=asked.salt)
    assert says(request, reader=1) == "REQUEST_FOREIGN"
    assert says(replace(request, reader=1), reader=1) == "REQUEST_FOREIGN"
    assert says(fresh, claims=LocalSigner(b"\x07" * 32)) == "CUSTODY_CLAIM"
    assert says(replace(request, ticket=buy(town, READER))) == "TICKET_FOREIGN"
    assert says(replace(request, recipient=b"\x01" * 32)) == "TICKET_USED"
    assert says(replace(fresh, salt=b"\x05" * 32)) == "TICKET_OTHER_ENTRY"
    assert says(replace(fresh, entry=b"\x05" * 32)) == "CUSTODY_UNKNOWN"
    assert says(replace(fresh, enclosed=b"\x01" * 32)) == "REQUEST_FOREIGN"
    elsewhere = replace(request.domain, chain_id=5)
    assert says(replace(fresh, domain=elsewhere)) == "REQUEST_FOREIGN"
    silent = look(town, READER, UPLOADER, entry, record=False)
    unrecorded = read_receipt(read_envelope(silent).payload).consent
    assert says(replace(fresh, consent=unrecorded)) == "CONSENT_UNRECORDED"
    narrow = look(town, READER, UPLOADER, entry, scope=Scope.HIT)
    short = read_receipt(read_envelope(narrow).payload).consent
    town.settle(3)
    assert says(replace(fresh, consent=short)) == "CONSENT_SCOPE"
    assert refused(gamma.ask_custody, READER, b"\xc1") == "CUSTODY_MALFORMED"
    # Signed for as it is, and too large to be kept and sent on for one ticket.
    enclosed = bytes(MAX_MESSAGE_BYTES + 1)
    large = replace(fresh, enclosed=hashlib.sha256(enclosed).digest())
    assert says(large) == "CUSTODY_MALFORMED"
    with town.node(3).database.reading() as session:
        assert session.get(CustodyAsk, fresh.ticket) is None
    other = look(town, READER, UPLOADER, entry)
    assert refused(beta(town).ask_detail, entry, ticket, other) == "TICKET_USED"
    revoke(town, READER, read_receipt(read_envelope(receipt).payload).consent.consent)
    go_silent(town)
    with pytest.raises(OutsideError, match="CONSENT_REVOKED"):
        beta(town).ask_detail(entry, ticket, receipt)


def test_below_the_threshold_nothing_opens_and_a_wrong_share_is_named(
    town: BlacklistTown,
) -> None:
    """One custodian alone gives no evidence; of three the one that cheats is found by its word."""
    entry = kept(town, 4)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    go_silent(town)
    connect(town, UPLOADER, 1, 3)
    with pytest.raises(OutsideError, match="member 1 PEER_UNREACHABLE") as caught:
        beta(town).ask_detail(entry, ticket, receipt)
    assert caught.value.code == "CUSTODY_BELOW_THRESHOLD"
    with town.node(READER).database.reading() as session:
        assert session.get(HeldDetail, ticket) is None
    connect(town, UPLOADER)
    ring = town.node(3).keys.ring
    with town.node(3).database.writing.begin() as session:
        row = session.get_one(HeldCustody, (entry, 1))
        right, row.share = row.share, ring.seal_bytes(random_scalar(), custody_label(entry, 1))
    view = detail(town, entry, ticket, receipt)
    assert view.custodians == (1, 2)
    (says,) = incidents(town, READER, "CUSTODY_SHARE_WRONG")
    assert "member 3 released a wrong share" in says
    connect(town, UPLOADER, 1)
    with pytest.raises(OutsideError, match="member 3 CUSTODY_SHARE_WRONG"):
        beta(town).ask_detail(entry, ticket, receipt)
    with town.node(3).database.writing.begin() as session:
        session.get_one(HeldCustody, (entry, 1)).share = right
    assert detail(town, entry, ticket, receipt).custodians == (2, 3)


def test_a_consent_of_another_person_is_found_by_its_uploader(town: BlacklistTown) -> None:
    """Custodians cannot see whose consent it is; the uploader can, and names the reader."""
    entry, other = kept(town, 9), kept(town, 10)
    receipt, foreign = (look(town, READER, UPLOADER, one) for one in (entry, other))
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    # A reader that looked both up asks for the one on the other's consent.
    consent = read_receipt(read_envelope(foreign).payload).consent
    view = beta(town).ask_detail(entry, ticket, receipt, consent=consent)
    assert isinstance(view, WaitingView)
    go_silent(town)
    given = beta(town).ask_detail(entry, ticket, receipt, consent=consent)
    assert isinstance(given, DetailView)
    connect(town)
    town.settle()
    (says,) = incidents(town, UPLOADER, "CUSTODY_ASK_FALSE")
    assert f"member {READER}" in says
    assert "CONSENT_OTHER_PERSON" in says
    # Nobody but a custodian tells of a release, and each of its own alone.
    with town.node(1).database.reading() as session:
        row = session.get_one(CustodyAsk, ticket)
        told = pack(
            Told(row.request, row.sealing, row.enclosed, msgspec.msgpack.decode(row.receipts))
        )
    tell = town.node(UPLOADER).screening.told_custody
    assert refused(tell, 3, told) == "CUSTODY_FOREIGN"
    assert tell(1, told) == b""
    with town.node(UPLOADER).database.reading() as session:
        rows = session.scalars(select(CustodyNotice).where(CustodyNotice.ticket == ticket)).all()
    assert sorted(row.custodian for row in rows) == list(KEEPERS)


def test_the_command_and_rest_say_who_waits_and_who_released(
    town: BlacklistTown, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit 3 and 202 while custodians wait; then the evidence, and who released it."""
    entry = kept(town, 13)
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(look(town, READER, UPLOADER, entry))
    ticket = ticket_of(town, entry)
    (tmp_path / "phrase").write_text(PHRASE)
    connect(town, UPLOADER)
    words = ["detail", "ask", entry.hex()[:12], "--ticket", str(ticket), "--receipt", str(receipt)]
    wires = Wires(town, READER, frozenset({UPLOADER}))

    def says(*more: str) -> tuple[int, str]:
        capsys.readouterr()
        given = ["blacklist", *words, "--home", str(town.node(READER).home), *more]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KANHE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
            patch.setattr(ScreeningService, "_require_peers", lambda _service: wires)
            return main(given), capsys.readouterr().out

    code, told = says()
    assert (code, "does not answer (PEER_UNREACHABLE)" in told) == (3, True)
    assert "custodian 1: waits for the uploader until" in told
    assert "they release from" in told
    town.settle(*KEEPERS)
    asked = {"ticket": ticket, "receipt": base64.b64encode(receipt.read_bytes()).decode()}
    node = town.node(READER)
    with served({"beta": node}) as base, program(node, base, "beta", "maker", "auditor") as client:
        answer = client.post(f"/entries/{entry.hex()}/detail", json=asked)
        assert (answer.status_code, answer.json()["silence"]) == (202, "PEER_UNREACHABLE")
        assert set(answer.json()["custodians"]) == {"1", "2", "3"}
        go_silent(town)
        body = client.post(f"/entries/{entry.hex()}/detail", json=asked).json()
        assert (body["complete"], len(body["custodians"])) == (True, 2)
        custody = client.get(f"/entries/{entry.hex()}").json()["custody"]
    assert custody["asked_here"][0]["reader"] == str(READER)
    code, told = says("--json", "-")
    assert (code, json.loads(told)["custodians"]) == (0, body["custodians"])
    code, told = says()
    assert (code, "in place of member 4, who was silent" in told) == (0, True)
