"""Lookups over REST: the same acts and refusals, once an idempotency key."""

from __future__ import annotations

import base64

from committee_town import OUTSIDER, Town
from listed_people import person_of
from sqlalchemy import select
from test_own_record import request_of, town_clock

from node.peers.certificates import read_pem
from node.screening.asking import About, read_consent_request, read_person_request
from node.screening.consent_files import (
    ConsentFile,
    RevocationFile,
    write_consent_file,
    write_revocation_file,
)
from node.screening.explaining import explain_receipt
from node.tables import AuditRow, IdempotencyKey
from node.wallet import Wallet, read_back
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served

READER, CERTIFIER = 1, 2
LISTED, NOBODY = 2, 3


def b64(data: bytes) -> str:
    """Return bytes as a call has them."""
    return base64.b64encode(data).decode()


def test_a_person_is_looked_up_over_rest(indexed: Town) -> None:
    """Prepared once a key, looked up once the ledger has the consent, with a receipt at the end."""
    node = indexed.node(READER)
    indexed.tickets(READER)
    with served({"bank": node}) as base:
        with program(node, base, "bank", "viewer") as viewer:
            assert refused(viewer.get("/lookups"))[0] == 403
            (version, *_) = good(viewer.get("/index"))
            assert version["state"] in {"LIVE", "PUBLISHED", "CUT"}
            assert good(viewer.get("/committee"))[-1]["members"] == ["1", "2", "3"]
        with program(node, base, "bank", "maker") as client:
            asked = {
                "identifier": person_of(1).value,
                "purpose": "CREDIT",
                "scope": ["HIT", "RECORD"],
                "test_identifiers": True,
            }
            headers = {"idempotency-key": "one"}
            first = good(client.post("/lookups", json=asked, headers=headers))
            assert good(client.post("/lookups", json=asked, headers=headers)) == first
            number = first["lookup"]
            assert refused(client.post(f"/lookups/{number}/look"))[1] == "CONSENT_NOT_RECORDED"
            assert refused(client.get(f"/lookups/{number}/receipt"))[1] == "LOOKUP_NOT_DONE"
            assert good(client.get("/lookups"))[0]["refusal"] == "CONSENT_NOT_RECORDED"
            indexed.settle()
            found = good(client.post(f"/lookups/{number}/look"))
            assert (found["outcome"], found["level"], found["enforced"]) == ("HIT", "1", False)
            assert found["entries"][0]["reason"] == "OVERDUE_M3"
            assert int(found["as_of_block"]) > 0 < int(found["as_of_s"])
            receipt = client.get(f"/lookups/{number}/receipt").content
            assert explain_receipt(receipt, allow_test=True).ok
            assert good(client.get("/lookups"))[0]["outcome"] == "HIT"
            for body, code in [
                ({**asked, "purpose": "FUN"}, "REQUEST_MALFORMED"),
                ({**asked, "scope": ["ALL"]}, "REQUEST_MALFORMED"),
                ({**asked, "identifier": "123"}, "IDENTIFIER_LENGTH"),
            ]:
                assert refused(client.post("/lookups", json=body))[1] == code
            consent = {"consent": "%"}
            assert refused(client.post(f"/lookups/{number}/consent", json=consent))[0] == 422
            assert good(client.post("/tickets", json={"count": 1}))["count"] == "1"
            indexed.settle()
            assert good(client.get("/tickets"))["free"]


def test_a_person_consents_and_revokes_through_members(indexed: Town) -> None:
    """Certified by one, she consents to another's lookup of her element; a third relays the end."""
    reader, certifier = indexed.node(READER), indexed.node(CERTIFIER)
    person = person_of(LISTED)
    wallet = Wallet.create(person, reader.identity.place.lookups_domain)
    indexed.tickets(READER)
    with (
        town_clock(indexed, READER, CERTIFIER),
        served({"bank": reader, "other": certifier}) as base,
        program(reader, base, "bank", "maker", "auditor") as maker,
        program(certifier, base, "other", "teller") as teller,
    ):
        kyc = {
            "request": b64(wallet.request_certificate(CERTIFIER)),
            "identifier": person.value,
            "test_identifiers": True,
        }
        key = {"Idempotency-Key": "kyc"}
        made = good(teller.post("/persons/certificates", json=kyc, headers=key))
        assert good(teller.post("/persons/certificates", json=kyc, headers=key)) == made
        stranger = {**kyc, "identifier": person_of(NOBODY).value}
        wrong = teller.post("/persons/certificates", json=stranger)
        assert refused(wrong)[1] == "KYC_OTHER_PERSON"
        certificate = base64.b64decode(made["certificate"])
        asked = {
            "identifier": person.value,
            "purpose": "CREDIT",
            "consent": "PERSON",
            "scope": ["HIT"],
            "test_identifiers": True,
        }
        prepared = good(maker.post("/lookups", json=asked))
        assert prepared["consent"] is None
        number = prepared["lookup"]
        envelope = maker.get(f"/lookups/{number}/consent-request").content
        request, _ = read_consent_request(envelope)
        signed = wallet.consent(request, envelope, certificate, now_s=indexed.time_s())
        file = ConsentFile(wallet.domain, signed.signed, signed.revocation_hash)
        given = {"consent": b64(write_consent_file(file))}
        assert good(maker.post(f"/lookups/{number}/consent", json=given))["consent"]
        # Recorded as it is, without a lookup of this node's: the same consent, the same call.
        digest = good(maker.post("/persons/consents", json=given))["consent"]
        assert digest == file.digest.hex()
        foreign = teller.post("/persons/consents", json=given)
        assert refused(foreign)[1] == "CONSENT_FOREIGN"
        indexed.settle()
        found = good(maker.post(f"/lookups/{number}/look"))
        assert (found["outcome"], found["level"], found["enforced"]) == ("HIT", "3", True)
        assert good(maker.post(f"/lookups/{number}/consent", json=given))["consent"] == digest
        other = write_consent_file(ConsentFile(wallet.domain, signed.signed, bytes(32)))
        answer = maker.post(f"/lookups/{number}/consent", json={"consent": b64(other)})
        assert refused(answer) == (409, "CONSENT_IN_USE")
        secret = wallet.revocation_of(file.digest)
        end = RevocationFile(wallet.domain, file.signed.consent.reader, file.digest, secret)
        revoked = {"revocation": b64(write_revocation_file(end))}
        assert good(teller.post("/persons/revocations", json=revoked))["consent"] == digest
        indexed.settle()
        assert good(maker.get("/lookups"))[0]["revoked"]
        for path, body, code in [
            ("/persons/consents", {"consent": "%"}, "BASE64_MALFORMED"),
            ("/persons/revocations", {"revocation": b64(b"{}")}, "PROOF_MALFORMED"),
            ("/persons/requests", {"request": b64(b"noise")}, "ENVELOPE_MALFORMED"),
        ]:
            assert refused(teller.post(path, json=body))[1] == code
        # At the counter people are served; nothing else is read or done there.
        for answer in (teller.get("/entries"), teller.post("/tickets", json={"count": 1})):
            assert refused(answer) == (403, "NOT_ALLOWED")
    with certifier.sessions() as session:
        for row in session.scalars(select(IdempotencyKey)):
            assert person.value.encode() not in row.answer


def test_a_person_asks_about_herself_through_a_member(indexed: Town) -> None:
    """The same request until the ledger has her consent; then the answer, once, verified by her."""
    reader = indexed.node(READER)
    wallet = Wallet.create(person_of(NOBODY), reader.identity.place.lookups_domain)
    with (
        town_clock(indexed, READER, CERTIFIER),
        served({"bank": reader}) as base,
        program(reader, base, "bank", "teller") as teller,
        program(reader, base, "bank", "checker") as checker,
    ):
        for about in (About.ENTRIES, About.RECEIPTS):
            request = request_of(indexed, wallet, about)
            body = {"request": b64(request), "test_identifiers": True}
            assert refused(checker.post("/persons/requests", json=body)) == (403, "NOT_ALLOWED")
            answered = teller.post("/persons/requests", json=body)
            if about is About.ENTRIES:
                assert answered.status_code == 202
                assert good(answered)["state"] == "WAITING"
                waiting = good(teller.post("/persons/requests", json=body))
                assert waiting["lookup"] == good(answered)["lookup"]
                indexed.settle()
                answered = teller.post("/persons/requests", json=body)
            assert answered.status_code == 200
            assert good(answered)["state"] == "ANSWERED"
            data = base64.b64decode(good(answered)["answer"])
            back = read_back(wallet, read_person_request(request)[0], data)
            assert back.ok
            assert len(back.receipts) == int(good(answered)["receipts"]) >= 1
            twice = teller.post("/persons/requests", json=body)
            assert refused(twice) == (409, "ASKED_TWICE")
        # Where no lookup can be made now, she may be answered without, and sees what is missing.
        request = request_of(indexed, wallet, About.ENTRIES)
        body = {"request": b64(request), "test_identifiers": True, "without_receipt": True}
        data = base64.b64decode(good(teller.post("/persons/requests", json=body))["answer"])
        assert read_back(wallet, read_person_request(request)[0], data).missing


def test_peers_and_the_committee_over_rest(indexed: Town) -> None:
    """An operator pins and pings, proposes and joins; a viewer reads; each act is on record."""
    node = indexed.node(READER)
    with (
        served({"bank": node}) as base,
        program(node, base, "bank", "operator") as operator,
        program(node, base, "bank", "viewer", "checker") as viewer,
    ):
        root = f"{base}/bank/api/v1/peers"
        before = good(viewer.get(root))
        assert [item["member"] for item in before] == ["2", "3", "4"]
        own = good(viewer.get(f"{root}/own"))
        assert read_pem(own["certificate"].encode()) == (node.peers.own.certificate(),)
        theirs = indexed.node(OUTSIDER).peers.own
        wish = {
            "certificate": theirs.certificate_file.read_text(),
            "url": indexed.urls[OUTSIDER],
        }
        assert good(operator.post(f"{root}/{OUTSIDER}/unpin")) == {"member": str(OUTSIDER)}
        key = {"Idempotency-Key": "pin"}
        pinned = good(operator.post(root, json=wish, headers=key))
        assert good(operator.post(root, json=wish, headers=key)) == pinned
        assert good(viewer.get(root)) == before
        assert good(operator.post(f"{root}/2/ping"))["takes_us_for"] == "1"
        run = good(viewer.get("/committee/runs"))[-1]
        assert (run["phase"], run["ours"]) == ("OVER", "INSTALLED")
        wrong = {"members": [1, 2, 3], "threshold": 1}
        here = f"/committee/runs/{run['run'][:12]}"
        for answer, code in [
            (viewer.post(root, json=wish), "NOT_ALLOWED"),
            (operator.post(f"{root}/9/unpin"), "PEER_UNKNOWN"),
            (operator.post(f"{root}/9/ping"), "PEER_UNKNOWN"),
            (operator.post(f"{root}/own", json={}), "TLS_EXISTS"),
            (operator.post(root, json={"certificate": "x"}), "PEER_CERTIFICATE_MALFORMED"),
            (operator.post("/committee/runs", json=wrong), "OPRF_COMMITTEE_SHAPE"),
            (operator.post(f"{here}/join"), "PLAN_STALE"),
            (operator.post(f"{here}/approve"), "NOT_ALLOWED"),
            (viewer.post(f"{here}/approve"), "KEY_EPOCH_INSTALLED"),
            (viewer.post("/index/cut"), "NOT_ALLOWED"),
        ]:
            assert refused(answer)[1] == code
        told = good(viewer.get(f"{base}/bank/api/v1/openapi.json"))["paths"]
        for path in ("/peers/own", "/blacklist/persons/requests", "/blacklist/committee/runs"):
            assert f"/{{slug}}/api/v1{path}" in told
    with node.sessions() as session:
        acts = session.scalars(select(AuditRow).where(AuditRow.actor == "operator")).all()
    assert {"peer unpin", "peer pin"} <= {row.act for row in acts}
