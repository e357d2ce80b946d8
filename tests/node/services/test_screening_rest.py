"""The blacklist's REST calls: the same acts and refusals, once an idempotency key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from sqlalchemy import select

from node.bootstrap import Node
from node.chain.trust import trust_for
from node.screening.asking import About, read_person_request
from node.screening.states import OPENABLE_DAYS
from node.screening.weighing import weigh_evidence
from node.tables import IdempotencyKey, Person
from node.wallet import Wallet, read_back
from node.web.auth import invite_person, make_api_token
from reconcile.model import day_iso
from tests.node.services.blacklist_looking import Wires, look
from tests.node.services.blacklist_town import BlacklistTown, person
from tests.node.web.desk_town import served


@contextmanager
def program(node: Node, base: str, slug: str, *roles: str) -> Iterator[httpx.Client]:
    """A program that acts for a new person with these roles."""
    login = "-".join(roles)
    now_ms = node.clock()
    invite_person(node.sessions, login=login, display_name=login, roles=roles, now_ms=now_ms)
    with node.sessions.begin() as session:
        found = session.scalars(select(Person).where(Person.login == login)).one()
        token = make_api_token(session, found.id, "test", roles, now_ms)
    headers = {"authorization": f"Bearer {token}"}
    address = f"{base}/{slug}/api/v1/blacklist"
    # A busy machine answers late, too.
    with httpx.Client(
        base_url=address, headers=headers, verify=trust_for([base]), timeout=30
    ) as client:
        yield client


def good(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    """Return the body of a good answer."""
    assert answer.status_code < 300, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal in problem+json."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["help"] or body["detail"]
    return answer.status_code, body["code"]


def listing(town: BlacklistTown, serial: int, **words: str) -> dict[str, object]:
    """Return a call's body that lists somebody."""
    today = town.today()
    facts = {
        "id_type": "CN-RID",
        "reason": "OVERDUE_M3",
        "product": "CARD",
        "action": "COLLECTION",
        "amount_band": "3",
        "days_past_due_band": "4",
        "event_month": day_iso(today - 100)[:7],
        "notice_at": day_iso(today - 30),
        "notice_hash": "11" * 32,
        "consent": "22" * 32,
    }
    return {
        "identifier": person(serial).value,
        "words": facts | words,
        "evidence": [base64.b64encode(b"a document").decode()],
        "test_identifiers": True,
    }


def test_a_case_by_rest(town: BlacklistTown) -> None:
    """Listed once a key, traced, disputed, answered, and every movement of points read."""
    alpha, beta = town.node(1), town.node(2)
    nodes: dict[str, object] = {"alpha": alpha, "beta": beta}
    with (
        served(nodes) as base,
        program(alpha, base, "alpha", "maker") as maker,
        program(beta, base, "beta", "maker") as other,
        program(beta, base, "beta", "checker") as judge,
    ):
        body, key = listing(town, 1), {"Idempotency-Key": "one"}
        made = good(maker.post("/entries", json=body, headers=key))
        assert good(maker.post("/entries", json=body, headers=key)) == made
        again = maker.post("/entries", json=listing(town, 2), headers=key)
        assert refused(again) == (409, "IDEMPOTENCY_CONFLICT")
        assert refused(maker.post("/entries", json=body)) == (409, "LISTED_ALREADY")
        entry = made["entry"]
        assert made["effective_from"] == day_iso(town.today())
        assert made["expires_at"] > made["effective_from"]
        assert {(one["party"], one["of"]) for one in made["notify"]} >= {("person", "LISTED")}
        assert good(maker.get("/profiles"))[0]["notify"] == made["notify"]
        (waiting,) = good(maker.get("/entries"))["rows"]
        assert (waiting["entry"], waiting["state"]) == (entry, "WAITING")
        town.settle()
        town.tag(1)
        town.settle()
        seen = good(other.get(f"/entries/{entry[:12]}"))
        assert (seen["uploader"], seen["state"], seen["statement"]) == ("1", "LISTED", None)
        assert seen["notify"] == made["notify"]
        assert good(maker.get(f"/entries/{entry}"))["holds"]
        assert good(maker.get("/points"))["staked_micro"] == "5000000"
        grounds = {"grounds": "it is somebody else", "for_person": True}
        assert good(other.post(f"/entries/{entry}/disputes", json=grounds))["entry"] == entry
        town.settle()
        (raised,) = good(other.get("/disputes?ours=true"))
        number = raised["dispute"]
        assert (raised["role"], raised["phase"], raised["by_person"]) == ("by", "OPEN", True)
        assert [(one["party"], one["of"]) for one in raised["notify"]] == [("person", "RAISED")]
        given = {"verdict": "REMOVED", "reasons": "it was somebody else"}
        good(maker.post(f"/disputes/{number}/answer", json=given))
        town.settle()
        assert good(maker.get(f"/disputes/{number}"))["answer"] == "REMOVED"
        # Nobody contests: after two days whoever sees it settles.
        town.pass_days(2.1)
        assert good(other.get(f"/entries/{entry}"))["state"] == "REMOVED"
        assert refused(judge.post(f"/disputes/{number}/verdict", json={"verdict": "UPHELD"})) == (
            409,
            "PHASE_NOT_ALLOWED",
        )
        with program(alpha, base, "alpha", "checker") as ours:
            good(ours.post(f"/entries/{entry}/erase"))
        town.settle()
        # It is destroyed once no audit asks for what was evaluated for it.
        town.pass_days(OPENABLE_DAYS)
        signed = maker.get(f"/entries/{entry}/certificate")
        assert signed.json()["payloadType"].endswith("deletion.v1")
        assert good(maker.get(f"/entries/{entry}"))["state"] == "ERASED"
    with alpha.database.reading() as session:
        for row in session.scalars(select(IdempotencyKey)):
            assert person(1).value.encode() not in row.answer


def test_refusals_by_rest(town: BlacklistTown) -> None:
    """Roles, shapes, unknown things and bad input: status, code, and no identifier in any."""
    alpha = town.node(1)
    with (
        served({"alpha": alpha}) as base,
        program(alpha, base, "alpha", "viewer") as viewer,
        program(alpha, base, "alpha", "maker", "viewer") as maker,
    ):
        paths = httpx.get(f"{base}/alpha/api/v1/openapi.json").json()["paths"]
        assert len([path for path in paths if "/blacklist/" in path]) >= 30
        wrong = listing(town, 3)
        wrong["identifier"] = "990000198001010099"
        cases = [
            (viewer.post("/entries", json=listing(town, 3)), (403, "NOT_ALLOWED")),
            (maker.post("/disputes/1/verdict", json={"verdict": "UPHELD"}), (403, "NOT_ALLOWED")),
            (maker.post("/entries", json=wrong), (422, "IDENTIFIER_CHECKSUM")),
            (
                maker.post("/entries", json=listing(town, 3, notice_at="")),
                (422, "LISTING_NO_NOTICE"),
            ),
            (maker.post("/entries", json=listing(town, 3, hair="red")), (422, "FIELD_UNKNOWN")),
            (maker.post("/entries", json={"words": {}}), (422, "REQUEST_MALFORMED")),
            (maker.get("/entries/abcdef0123"), (404, "ENTRY_UNKNOWN")),
            (maker.get("/disputes/99"), (404, "DISPUTE_UNKNOWN")),
            (maker.get("/points?after=x"), (422, "CURSOR_MALFORMED")),
            (
                maker.post("/disputes/99/answer", json={"verdict": "NO", "reasons": "x"}),
                (422, "VERDICT_UNKNOWN"),
            ),
        ]
        for answer, expected in cases:
            assert refused(answer) == expected
            assert person(3).value not in answer.text
            assert "990000198001010099" not in answer.text


def test_a_consent_by_rest(town: BlacklistTown) -> None:
    """Given as a file it is listed on, traced with its transaction, revoked by the uploader."""
    town.pass_days(1)
    alpha = town.node(1)
    with (
        served({"alpha": alpha}) as base,
        program(alpha, base, "alpha", "maker") as maker,
        program(alpha, base, "alpha", "viewer") as viewer,
    ):
        body = listing(town, 8)
        words = {key: word for key, word in dict(body["words"]).items() if key != "consent"}  # type: ignore[call-overload]
        agreed = {"agreed": base64.b64encode(b"the contract").decode()}
        other = {**body, **agreed}
        assert refused(maker.post("/entries", json={**body, "words": words}))[0] == 422
        made = good(maker.post("/entries", json={**other, "words": words}))["entry"]
        (waits,) = [row for row in good(maker.get("/entries"))["rows"] if row["entry"] == made]
        assert waits["state"] == "WAITING"
        town.settle()
        (seen,) = good(viewer.get(f"/entries/{made}"))["consents"]
        assert (seen["state"], seen["level"], seen["verified"]) == ("RECORDED", "1", True)
        assert seen["document"] == hashlib.sha256(b"the contract").hexdigest()
        assert len(seen["tx"]) == 64
        assert refused(viewer.post(f"/entries/{made}/revoke-consent")) == (403, "NOT_ALLOWED")
        good(maker.post(f"/entries/{made}/revoke-consent"))
        town.settle()
        (seen,) = good(viewer.get(f"/entries/{made}"))["consents"]
        assert (seen["state"], len(seen["revoked_tx"])) == ("REVOKED", 64)


def test_evidence_and_hits_by_rest(town: BlacklistTown) -> None:
    """Asked of the uploader's node, kept, attested; refusals in the same words."""
    beta = town.node(2)
    beta.screening.claim_allowance()
    entry = town.list(1, 5).hex()
    receipt = look(town, 2, 1, bytes.fromhex(entry))
    beta.screening._peers = Wires(town, 2, frozenset())  # type: ignore[assignment]
    with (
        served({"beta": beta}) as base,
        program(beta, base, "beta", "maker", "auditor") as maker,
        program(beta, base, "beta", "viewer") as viewer,
    ):
        here = f"/entries/{entry}/detail"
        bought = {"Idempotency-Key": "ticket"}
        assert good(maker.post(f"{here}/tickets", headers=bought)) == {"entry": entry}
        assert good(maker.post(f"{here}/tickets", headers=bought)) == {"entry": entry}
        town.settle(1, 2)
        (ticket,) = good(maker.get(f"{here}/tickets"))["tickets"]
        asked = {"ticket": int(ticket), "receipt": base64.b64encode(receipt).decode()}
        found = good(maker.post(here, json=asked))
        assert found["complete"]
        documents = [base64.b64decode(item["content"]) for item in found["documents"]]
        assert documents == [b"the evidence against 5"]
        assert good(maker.get(here)) == [found]
        said = {"verdict": "CONFIRMED", "receipt": asked["receipt"]}
        there = f"/entries/{entry}/attest"
        assert good(maker.post(there, json=said))["sent"]
        cases = [
            (viewer.get(here), (403, "NOT_ALLOWED")),
            (maker.post(here, json=asked | {"receipt": "!"}), (422, "BASE64_MALFORMED")),
            (maker.post(here, json=asked | {"ticket": 9_999}), (403, "TICKET_FOREIGN")),
            (
                maker.post(f"/entries/{entry}/attest", json=said | {"verdict": "STALE"}),
                (409, "ATTESTED_ALREADY"),
            ),
            (
                maker.post(f"/entries/{entry}/attest", json=said | {"verdict": "NO"}),
                (422, "REQUEST_MALFORMED"),
            ),
            (maker.post("/settlements", json={"period": 999_999}), (409, "PERIOD_NOT_OVER")),
            (maker.post("/settlements", json={"period": 0}), (409, "SETTLEMENT_EMPTY")),
        ]
        for answer, expected in cases:
            assert refused(answer) == expected
            assert person(5).value not in answer.text


def test_a_person_s_dispute_and_evidence_by_rest(town: BlacklistTown) -> None:
    """Raised for her by a member that attests her identity; the uploader shows its evidence."""
    alpha, beta = town.node(1), town.node(2)
    entry = town.list(1, 7).hex()
    wallet = Wallet.create(person(7), beta.identity.place.lookups_domain)
    with (
        served({"alpha": alpha, "beta": beta}) as base,
        program(alpha, base, "alpha", "maker", "operator") as maker,
        program(beta, base, "beta", "teller") as teller,
        program(beta, base, "beta", "maker", "operator") as other,
    ):
        certificate = beta.screening.certify_person(
            wallet.request_certificate(2), wallet.identifier
        )
        request = wallet.ask(
            2,
            About.DISPUTE,
            certificate,
            now_s=beta.clock() // 1_000,
            entry=bytes.fromhex(entry),
            grounds="the loan was paid in May",
        )
        body = {"request": base64.b64encode(request).decode(), "test_identifiers": True}
        answered = good(teller.post("/persons/requests", json=body))
        assert (answered["about"], answered["state"]) == ("DISPUTE", "ANSWERED")
        data = base64.b64decode(answered["answer"])
        assert read_back(wallet, read_person_request(request)[0], data).member == 2
        assert refused(teller.post("/persons/requests", json=body)) == (409, "ASKED_TWICE")
        town.settle()
        raised = next(row for row in good(other.get("/disputes")) if row["entry"] == entry)
        assert (raised["by"], raised["by_person"], raised["role"]) == ("2", True, "by")
        number = raised["dispute"]
        shown = good(other.get(f"/disputes/{number}/paper"))
        assert (shown["text"], shown["hash"]) == ("the loan was paid in May", raised["grounds"])
        assert refused(maker.get(f"/disputes/{number}/paper")) == (404, "PAPER_UNKNOWN")
        bundle = maker.post(f"/entries/{entry}/evidence", json={})
        assert weigh_evidence(bundle.content, allow_test=True).ok
        theirs = other.post(f"/entries/{entry}/evidence", json={})
        assert refused(theirs) == (404, "LISTING_NOT_OURS")
        assert refused(teller.post(f"/entries/{entry}/evidence", json={}))[0] == 403
