"""Lookups over REST: the same acts and refusals, once an idempotency key."""

from __future__ import annotations

from committee_town import Town
from listed_people import person_of

from node.screening.explaining import explain_receipt
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served

READER = 1


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
            indexed.settle()
            found = good(client.post(f"/lookups/{number}/look"))
            assert (found["outcome"], found["level"], found["enforced"]) == ("HIT", "1", False)
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
