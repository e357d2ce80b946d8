"""Detail: asked for on a consent, released to one reader, recalled from it; hits attested."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, select

from node.cli import main
from node.listings import Owned
from node.screening.consents import Scope
from node.screening.countersigning import read_countersigned
from node.screening.envelope import LISTING_TYPE, read_envelope, sign_envelope
from node.screening.listings import Product, Reason
from node.screening.receipts import read_receipt
from node.screening.records import OpenedRecord
from node.screening.releases import (
    HitVerdict,
    open_release,
    read_attestation,
    read_request,
    write_attestation,
    write_request,
)
from node.services.screening import releasing
from node.tables import HeldDetail, OwnAttestation, Release
from reconcile.commitment.tree import leaf_hash
from reconcile.model import ZERO32, KanheError
from tests.node.services.blacklist_looking import (
    Wires,
    buy,
    buy_detail,
    certificate,
    look,
    publish,
    revoke,
)
from tests.node.services.blacklist_town import PHRASE, BlacklistTown, person


@pytest.fixture(scope="module", autouse=True)
def allowances(town: BlacklistTown) -> None:
    """Both readers have points for tickets."""
    for member in (2, 3):
        town.node(member).screening.claim_allowance()


def refused(call: object, *args: object, **more: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    return caught.value.code


def test_evidence_is_released_once_a_ticket_and_recalled(town: BlacklistTown) -> None:
    """B asks on a consent for the evidence, A releases it; a later change is acknowledged by B."""
    alpha, beta = town.node(1).screening, town.node(2).screening
    entry = town.list(1, 1)
    town.settle()
    receipt = look(town, 2, 1, entry)
    assert beta.read_receipt(receipt) == (entry,)
    seen = beta.trace(entry)
    assert {check.name: check.ok for check in seen.checks}["signature"] is True
    assert seen.statement is not None
    assert seen.statement["reason"] == "OVERDUE_M3"
    lookup = read_receipt(read_envelope(receipt).payload).ticket
    assert refused(beta.request_detail, entry, lookup, receipt) == "TICKET_FOREIGN"
    ticket = buy_detail(town, 2, entry)
    request = beta.request_detail(entry, ticket, receipt)
    package = alpha.handlers()["blacklist/detail"](2, request)
    assert alpha.release_detail(request) == package, "the same answer again"
    assert refused(alpha.release_detail, request, caller=3) == "REQUEST_FOREIGN"
    wrong = town.node(3).keys.ring
    with town.node(3).database.reading() as session:
        others = wrong.sealing_keys(session, ZERO32)
    assert refused(open_release, package, others) == "WRAP_NOT_OPENED"
    detail = beta.take_release(package)
    assert detail.complete
    assert detail.documents == (b"the evidence against 1",)
    assert [view.documents for view in beta.details(entry)] == [detail.documents]
    with town.node(2).database.reading() as session:
        row = session.scalars(select(HeldDetail)).one()
        assert leaf_hash(detail.documents[0]).hex() in read_envelope(row.receipt).payload.decode()
    given = alpha.trace(entry).releases
    assert [(item[0], item[1]) for item in given] == [(ticket, 2)]
    assert refused(beta.acknowledge, entry) == "RECALL_UNKNOWN"
    assert refused(alpha.recall, entry) == "ENTRY_STATE_NOT_ALLOWED"
    alpha.withdraw(entry)
    town.settle()
    assert alpha.recall(entry) == 1
    town.settle()
    assert beta.trace(entry).recalls == (1, 0)
    assert beta.acknowledge(entry) == 1
    town.settle()
    assert alpha.trace(entry).recalls == (1, 1)
    town.erase(1, entry)
    assert beta.erase(entry) is not None
    town.settle()
    assert {member for member, _, _ in alpha.trace(entry).certificates} == {1, 2}
    assert refused(beta.details, entry) == "DETAIL_UNKNOWN"
    assert refused(alpha.release_detail, request) == "LISTING_ERASED"
    with town.node(2).database.reading() as session:
        assert session.scalars(select(HeldDetail)).one().documents == b""


def test_a_release_says_what_the_lookup_found(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An uploader that signs another statement beside its evidence overwrites nothing here."""
    alpha, beta = town.node(1).screening, town.node(2).screening
    entry = town.list(1, 19)
    town.settle()
    receipt = look(town, 2, 1, entry)
    assert beta.read_receipt(receipt) == (entry,)
    request = beta.request_detail(entry, buy_detail(town, 2, entry), receipt)
    opened = releasing.open_listing
    named = beta.trace(entry).consents[0].consent
    changes: dict[str, object] = {}
    salts: list[bytes] = []

    def other(*args: Any) -> Owned:  # noqa: ANN401 - as it is called
        owned = opened(*args)
        (salt,) = salts or [owned.opened.salt]
        said = msgspec.structs.replace(owned.opened.listing, **changes)
        keys = [town.node(1).keys.approver]
        (signature,) = sign_envelope(LISTING_TYPE, said.payload, keys).signatures
        record = OpenedRecord(said, salt, signature)
        return dataclasses.replace(owned, opened=record)

    def says() -> str:
        with town.node(1).sessions.begin() as session:
            session.execute(delete(Release).where(Release.entry == entry))
        return refused(beta.take_release, alpha.release_detail(request))

    monkeypatch.setattr(releasing, "open_listing", other)
    for name, value in (("reason", Reason.COURT_CONFIRMED), ("effective_from", 1)):
        changes.clear()
        changes[name] = value
        assert says() == "RELEASE_FALSE"
    # Another salt would give the consent another name, which no revocation of hers reaches.
    changes.clear()
    salts.append(b"\x05" * 32)
    assert says() == "RELEASE_FALSE"
    assert beta.trace(entry).consents[0].consent == named
    said = beta.trace(entry).statement
    assert said is not None
    assert said["reason"] == "OVERDUE_M3"


def test_a_consent_that_does_not_reach_releases_nothing(town: BlacklistTown) -> None:
    """Narrow, unrecorded, revoked, of another reader: each refused before anything is sealed."""
    alpha, beta = town.node(1).screening, town.node(2).screening
    entry = town.list(1, 2)
    ticket = buy_detail(town, 2, entry)
    narrow = look(town, 2, 1, entry, scope=Scope.HIT)
    assert refused(beta.request_detail, entry, ticket, narrow) == "CONSENT_SCOPE"
    silent = beta.request_detail(entry, ticket, look(town, 2, 1, entry, record=False))
    assert refused(alpha.release_detail, silent) == "CONSENT_UNRECORDED"
    whole = look(town, 2, 1, entry)
    request = beta.request_detail(entry, ticket, whole)
    changed = request.replace(b'"payload":"', b'"payload":"A')
    assert refused(alpha.release_detail, changed) in {"ENVELOPE_MALFORMED", "ENVELOPE_SIGNER"}
    # Another uploader's entry of the same person, on the same consent: the ticket is not for it.
    theirs = town.list(3, 2)
    town.settle()
    asked = dataclasses.replace(read_request(request)[0], entry=theirs)
    twice = write_request(asked, town.node(2).keys.approver)
    assert refused(town.node(3).screening.release_detail, twice) == "TICKET_OTHER_ENTRY"
    revoke(town, 2, read_receipt(read_envelope(whole).payload).consent.consent)
    assert refused(alpha.release_detail, request) == "CONSENT_REVOKED"
    other = town.list(1, 3)
    assert refused(beta.request_detail, other, ticket, whole) == "ENTRY_NOT_IN_RECEIPT"
    receipt = look(town, 2, 1, other)
    assert refused(beta.request_detail, other, ticket, receipt) == "TICKET_OTHER_ENTRY"
    gamma = town.node(3).screening
    assert refused(gamma.request_detail, entry, ticket, whole) == "RECEIPT_READER"
    assert refused(gamma.release_detail, request) == "LISTING_NOT_OURS"
    with town.node(1).database.reading() as session:
        assert session.scalars(select(Release).where(Release.entry == entry)).all() == []


def test_a_receipt_of_a_made_up_index_or_committee_is_void(town: BlacklistTown) -> None:
    """Neither attests a hit, nor learns a statement, nor asks for evidence."""
    town.settle()
    town.pass_days(1)
    beta = town.node(2).screening
    beta.claim_allowance()
    entry = town.list(1, 7)
    ticket = buy_detail(town, 2, entry)
    for forged, code in [("root", "RECEIPT_ROOT"), ("committee", "RECEIPT_COMMITTEE")]:
        receipt = look(town, 2, 1, entry, forged=forged)
        assert refused(beta.read_receipt, receipt) == code
        assert refused(beta.attest_hit, entry, HitVerdict.CONFIRMED, receipt) == code
        assert refused(beta.request_detail, entry, ticket, receipt) == code
        assert refused(beta.evidence_of, entry, receipts=[receipt]) == code
    old = look(town, 2, 1, entry)
    assert beta.read_receipt(old) == (entry,)
    # The same answer under a ticket that was bought after a newer index went live.
    town.list(1, 8)
    publish(town)
    assert beta.read_receipt(old) == (entry,), "it was current when the ticket was bought"
    assert refused(beta.read_receipt, look(town, 2, 1, entry, forged="old root")) == "RECEIPT_ROOT"


def test_an_authority_s_consent_opens_evidence(town: BlacklistTown) -> None:
    """Level 2, by a certificate of a configured authority: reader and uploader both take it."""
    town.settle()
    town.pass_days(1)
    alpha, beta = town.node(1).screening, town.node(2).screening
    entry = town.list(1, 9)
    key = ec.generate_private_key(ec.SECP256R1())
    receipt = look(town, 2, 1, entry, authority=key)
    ticket = buy_detail(town, 2, entry)
    assert refused(beta.request_detail, entry, ticket, receipt) == "CONSENT_CERTIFICATE"
    issuer = town.folder / "authorities" / "test.pem"
    issuer.write_bytes(certificate(key, key.public_key()).public_bytes(Encoding.PEM))
    request = beta.request_detail(entry, ticket, receipt)
    assert beta.take_release(alpha.release_detail(request)).complete
    assert beta.evidence_of(entry, receipts=[receipt])


def test_a_hit_is_attested_once_and_its_reader_recalled(town: BlacklistTown) -> None:
    """Confirmed by a reader, kept by the uploader: the recall of a change reaches it too."""
    alpha, beta = town.node(1).screening, town.node(2).screening
    entry = town.list(1, 4)
    receipt = look(town, 2, 1, entry)
    envelope = beta.attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    assert beta.attest_hit(entry, HitVerdict.CONFIRMED, receipt) == envelope
    assert refused(beta.attest_hit, entry, HitVerdict.STALE, receipt) == "ATTESTED_ALREADY"
    assert person(4).value.encode() not in envelope
    assert refused(alpha.take_attestation, envelope, caller=3) == "REQUEST_FOREIGN"
    assert refused(town.node(3).screening.take_attestation, envelope) == "REQUEST_FOREIGN"
    alpha.handlers()["blacklist/attest"](2, envelope)
    alpha.take_attestation(envelope)
    # By other tickets it would be told of a thousand times, at the uploader's expense.
    again = dataclasses.replace(
        read_attestation(envelope)[0], ticket=buy(town, 2), recipient=b"\x07" * 32
    )
    more = write_attestation(again, town.node(2).keys.approver)
    assert refused(alpha.take_attestation, more, caller=2) == "ATTESTED_ALREADY"
    assert alpha.trace(entry).releases == (), "nothing was released"
    alpha.withdraw(entry)
    town.settle()
    assert alpha.recall(entry) == 1
    town.settle()
    assert beta.acknowledge(entry) == 1
    town.settle()
    assert alpha.trace(entry).recalls == (1, 1)


def test_every_entry_of_one_lookup_recalls_its_reader(town: BlacklistTown) -> None:
    """Two entries of one person by one uploader: each attestation is kept under the one ticket."""
    town.pass_days(1)
    alpha, beta = town.node(1).screening, town.node(2).screening
    entries = (town.list(1, 10), town.list(1, 10, product=Product.MORTGAGE))
    receipt = look(town, 2, 1, entries[0])
    assert sorted(beta.read_receipt(receipt)) == sorted(entries)
    for entry in entries:
        alpha.take_attestation(beta.attest_hit(entry, HitVerdict.CONFIRMED, receipt))
        alpha.withdraw(entry)
    town.settle(1)
    assert [alpha.recall(entry) for entry in entries] == [1, 1]
    town.settle(1, 2)
    assert [beta.acknowledge(entry) for entry in entries] == [1, 1]


def test_a_detail_by_files_from_the_command_line(
    town: BlacklistTown, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Request, release and answer as files, beside the running nodes; documents come out whole."""
    town.pass_days(1)
    entry = town.list(1, 5)
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(look(town, 2, 1, entry))
    (tmp_path / "phrase").write_text(PHRASE)
    homes = {member: str(town.node(member).home) for member in (1, 2)}

    def says(member: int, *words: object, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        capsys.readouterr()
        given = ["blacklist", *map(str, words), "--home", homes[member], "--json", "-"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KANHE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
            patch.setenv("KANHE_DATABASE_URL", town.node(member).settings.database_url)
            found = main(given)
        out = capsys.readouterr().out
        assert found == code, out
        return json.loads(out)

    bought = says(2, "detail", "ticket", entry.hex()[:12], "--no-wait")
    assert (bought["entry"], bought["tickets"]) == (entry.hex(), [])
    town.settle(1, 2)
    ticket = str(town.node(2).screening.detail_tickets(entry)[0])
    request, package = tmp_path / "request.json", tmp_path / "package"
    asked = ("detail", "ask", entry.hex()[:12], "--ticket", ticket, "--receipt", receipt)
    assert says(2, *asked, code=2)["error"]["code"] == "PEER_UNKNOWN"
    says(2, *asked, "--out", request)
    says(1, "detail", "release", request, "--out", package)
    opened = says(2, "detail", "open", package)
    assert (opened["complete"], opened["statement"]["reason"]) == (True, "OVERDUE_M3")
    (path,) = says(2, "detail", "show", entry.hex(), "--out", tmp_path / "out")["written"]
    assert Path(path).read_bytes() == b"the evidence against 5"
    assert says(2, "trace", entry.hex()[:12], "--receipt", receipt)["statement"] is not None
    other = town.list(1, 25).hex()
    wrong = says(2, "trace", other, "--receipt", receipt, code=1)
    assert wrong["error"]["code"] == "ENTRY_NOT_IN_RECEIPT"
    said = ("attest", entry.hex(), "false-positive", "--receipt", receipt)
    assert says(2, *said, "--out", tmp_path / "said.json")["verdict"] == "FALSE_POSITIVE"
    wrong = says(2, "attest", entry.hex(), "maybe", "--receipt", receipt, code=2)
    assert wrong["error"]["code"] == "VERDICT_UNKNOWN"


def test_confirmed_hits_are_settled_by_the_committee(town: BlacklistTown) -> None:
    """Confirmed, ten days later signed by two of three, paid to the uploader with its reason."""
    alpha, beta = town.node(1).screening, town.node(2).screening
    town.pass_days(1)
    entry = town.list(1, 6)
    receipt = look(town, 2, 1, entry)
    period = town.today() // 10
    assert refused(beta.settle_period, period) == "PERIOD_NOT_OVER"
    beta.attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    town.pass_days(10)
    service = town.node(2).screening
    service._peers = Wires(town, 2, frozenset({3}))  # type: ignore[assignment]
    assert refused(beta.settle_period, period) == "SETTLEMENT_UNSIGNED"
    service._peers = Wires(town, 2, frozenset())  # type: ignore[assignment]
    settled = beta.settle_period(period)
    with town.node(2).database.reading() as session:
        hits = select(OwnAttestation).where(OwnAttestation.period == period)
        rows = session.scalars(hits.order_by(OwnAttestation.ticket)).all()
        envelopes = [row.envelope for row in rows]
        used = [read_countersigned(row.countersigned) for row in rows if row.countersigned]
    used = list({item.ticket: item for item in used}.values())
    assert entry in {row.entry for row in rows}
    # Two entries that one ticket found are one hit of their uploader.
    assert [row[:2] for row in settled.rows] == [(1, len({row.ticket for row in rows}))]
    town.settle()
    (paid,) = [row for row in alpha.points().movements if row.reason == "settlement"]
    assert alpha.points().account.earned == paid.amount > 0
    assert refused(beta.settle_period, period) == "SETTLED_ALREADY"
    sign = town.node(3).screening.sign_settlement
    encode = msgspec.msgpack.encode
    whole = encode([period, envelopes, used])
    assert sign(whole, reader=2), "the same word again"
    # Bought, signed for and never evaluated by two nodes: such a ticket pays nobody.
    one = [msgspec.structs.replace(used[0], signatures=used[0].signatures[:1]), *used[1:]]
    twice = [msgspec.structs.replace(used[0], signatures=one[0].signatures * 2), *used[1:]]
    other = [msgspec.structs.replace(used[0], key_epoch=2), *used[1:]]
    malformed = "COUNTERSIGNATURE_MALFORMED"
    other_ticket = msgspec.structs.replace(used[0], ticket=9_999)
    for data, reader, code in [
        (encode([period, [*envelopes, envelopes[0]], used]), 2, "SETTLEMENT_FALSE"),
        (whole, 1, "SETTLEMENT_FALSE"),
        (encode([period, [], used]), 2, "SETTLEMENT_EMPTY"),
        (encode([period + 9, envelopes, used]), 2, "PERIOD_NOT_OVER"),
        (encode([period, envelopes, []]), 2, "SETTLEMENT_UNUSED_TICKET"),
        (encode([period, envelopes, one]), 2, "SETTLEMENT_UNUSED_TICKET"),
        (encode([period, envelopes, twice]), 2, "SETTLEMENT_UNUSED_TICKET"),
        (encode([period, envelopes, other]), 2, "SETTLEMENT_UNUSED_TICKET"),
        (encode([period, envelopes, used[:1] * 20_001]), 2, "SETTLEMENT_TOO_LARGE"),
        (encode([period, envelopes, [[used[0].ticket, 1, b"", []]]]), 2, malformed),
        (encode([period, envelopes, [*used, used[0]]]), 2, "SETTLEMENT_FALSE"),
        (encode([period, envelopes, [*used, other_ticket]]), 2, "SETTLEMENT_FALSE"),
        (encode([period, [*envelopes, bytes(1_025)], used]), 2, "SETTLEMENT_TOO_LARGE"),
        (encode([period, envelopes]), 2, "SETTLEMENT_FALSE"),
        (b"\xc1", 2, "SETTLEMENT_FALSE"),
    ]:
        assert refused(sign, data, reader=reader) == code
    outside = town.node(4).screening.sign_settlement
    assert refused(outside, whole, reader=2) == "NOT_COMMITTEE_MEMBER"
