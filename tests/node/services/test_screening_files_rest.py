"""Evidence by file and a trace by a receipt over REST, where no connection reaches the uploader."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from node.services.screening import asking, releasing
from node.tables import HeldDetail, IdempotencyKey, Release
from tests.node.services.blacklist_looking import buy_detail, look
from tests.node.services.blacklist_town import BlacklistTown, person
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served

#: The desk hangs up after a failure of its own.
LAST = {"connection": "close"}


def b64(data: bytes) -> str:
    """Return bytes as a call has them."""
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module", autouse=True)
def allowances(town: BlacklistTown) -> None:
    """The reader has points for tickets."""
    town.node(2).screening.claim_allowance()


def rows(town: BlacklistTown, member: int, table: Any) -> int:  # noqa: ANN401 - any table
    """Return how many rows of a table a member has."""
    with town.node(member).database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_evidence_goes_by_file(town: BlacklistTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requested, released once a ticket, opened; a crash between keeps nothing half."""
    alpha, beta = town.node(1), town.node(2)
    entry = town.list(1, 5).hex()
    receipt = look(town, 2, 1, bytes.fromhex(entry))
    ticket = buy_detail(town, 2, bytes.fromhex(entry))
    asked = {"ticket": ticket, "receipt": b64(receipt)}
    with (
        served({"alpha": alpha, "beta": beta}) as base,
        program(alpha, base, "alpha", "maker") as uploader,
        program(beta, base, "beta", "maker") as reader,
    ):
        here = f"/entries/{entry}/detail/request"
        request = reader.post(here, json=asked)
        assert request.json()["payloadType"].endswith("detail-request.v1")
        body = {"request": b64(request.content)}

        def dies(*_: object, **__: object) -> object:
            raise RuntimeError("the process dies here")

        with monkeypatch.context() as patched:
            patched.setattr(releasing.ReleasingActs, "_act", dies)
            assert uploader.post("/releases", json=body, headers=LAST).status_code == 500
        assert rows(town, 1, Release) == 0
        first = uploader.post("/releases", json=body)
        assert first.headers["content-type"] == "application/octet-stream"
        assert uploader.post("/releases", json=body).content == first.content
        given = {"release": b64(first.content)}
        with monkeypatch.context() as patched:
            patched.setattr(asking, "know_statement", dies)
            assert reader.post("/releases/open", json=given, headers=LAST).status_code == 500
        assert rows(town, 2, HeldDetail) == 0
        found = good(reader.post("/releases/open", json=given))
        assert found["complete"]
        assert (found["entry"], found["ticket"]) == (entry, str(ticket))
        (document,) = [base64.b64decode(one["content"]) for one in found["documents"]]
        assert document == b"the evidence against 5"
        assert good(reader.post("/releases/open", json=given)) == found
        assert good(reader.get(f"/entries/{entry}/detail")) == [found]
        assert (rows(town, 1, Release), rows(town, 2, HeldDetail)) == (1, 1)
        assert good(uploader.get(f"/entries/{entry}"))["releases"][0]["reader"] == "2"
    for member in (1, 2):
        with town.node(member).database.reading() as session:
            for row in session.scalars(select(IdempotencyKey)):
                assert b"evidence" not in row.answer


def test_files_that_do_not_hold_release_nothing(town: BlacklistTown) -> None:
    """Roles, tokens, sizes, other files, changed ones: a code each, and no row of either side."""
    alpha, beta = town.node(1), town.node(2)
    entry, other = town.list(1, 6), town.list(1, 7)
    receipt = look(town, 2, 1, entry)
    ticket = buy_detail(town, 2, entry)
    before = [rows(town, 1, Release), rows(town, 2, HeldDetail)]
    data = beta.screening.request_detail(entry, ticket, receipt)
    asked = {"ticket": ticket, "receipt": b64(receipt)}
    here = f"/entries/{entry.hex()}/detail/request"
    body = {"request": b64(data)}
    with (
        served({"alpha": alpha, "beta": beta}) as base,
        program(alpha, base, "alpha", "operator", "maker") as uploader,
        program(beta, base, "beta", "operator", "maker") as reader,
        program(alpha, base, "alpha", "viewer", "teller") as viewer,
    ):
        package = alpha.screening.release_detail(data)
        given = {"release": b64(package)}
        parts = msgspec.msgpack.decode(package)
        parts[2] = bytes(len(parts[2]))
        changed = msgspec.msgpack.encode(parts)
        cases = [
            (viewer.post("/releases", json=body), (403, "NOT_ALLOWED")),
            (viewer.post("/releases/open", json=given), (403, "NOT_ALLOWED")),
            (viewer.post(here, json=asked), (403, "NOT_ALLOWED")),
            (nobody(uploader).post("/releases", json=body), (401, "TOKEN_WRONG")),
            (reader.post(here, json=asked | {"receipt": "!"}), (422, "BASE64_MALFORMED")),
            (reader.post(here, json=asked | {"ticket": 9_999}), (403, "TICKET_FOREIGN")),
            (
                reader.post(f"/entries/{other.hex()}/detail/request", json=asked),
                (409, "ENTRY_NOT_IN_RECEIPT"),
            ),
            (uploader.post("/releases", json={"request": "é"}), (422, "BASE64_MALFORMED")),
            (uploader.post("/releases", json={}), (422, "REQUEST_MALFORMED")),
            (uploader.post("/releases", json={"request": b64(receipt)}), (409, "ENVELOPE_TYPE")),
            (
                uploader.post("/releases", json={"request": "A" * ((1 << 25) + 4)}),
                (422, "REQUEST_MALFORMED"),
            ),
            (reader.post("/releases", json=body), (404, "LISTING_NOT_OURS")),
            (uploader.post("/releases/open", json=given), (409, "WRAP_NOT_OPENED")),
            (
                reader.post("/releases/open", json={"release": b64(changed)}),
                (409, "WRAP_NOT_OPENED"),
            ),
            (
                reader.post("/releases/open", json={"release": b64(package[:-9])}),
                (409, "RELEASE_MALFORMED"),
            ),
            (reader.post("/releases/open", json={"release": "!"}), (422, "BASE64_MALFORMED")),
        ]
        for answer, expected in cases:
            assert refused(answer) == expected
            assert person(6).value not in answer.text
    assert [rows(town, 1, Release), rows(town, 2, HeldDetail)] == [before[0] + 1, before[1]]


def nobody(client: httpx.Client) -> httpx.Client:
    """Return a client whose token is none."""
    headers = {"authorization": "Bearer kanhe_none"}
    return httpx.Client(base_url=client.base_url, headers=headers, timeout=30)


def test_a_receipt_traces_an_entry(town: BlacklistTown) -> None:
    """The statement is another member's: it is known by the receipt, and by nothing in between."""
    gamma = town.node(3)
    town.pass_days(1)
    entry, other = town.list(1, 15), town.list(1, 16)
    receipt = look(town, 2, 1, entry)
    town.settle()
    with (
        served({"gamma": gamma}) as base,
        program(gamma, base, "gamma", "maker") as maker,
        program(gamma, base, "gamma", "auditor") as auditor,
    ):
        here, body = f"/entries/{entry.hex()[:12]}/trace", {"receipt": b64(receipt)}
        assert good(auditor.get(f"/entries/{entry.hex()}"))["statement"] is None
        changed = receipt.replace(b'"signatures":[{', b'"signatures":[{"keyid":"x"},{')
        cases = [
            (auditor.post(here, json=body), (403, "NOT_ALLOWED")),
            (nobody(maker).post(here, json=body), (401, "TOKEN_WRONG")),
            (maker.post(f"/entries/{other.hex()}/trace", json=body), (409, "ENTRY_NOT_IN_RECEIPT")),
            (maker.post("/entries/abcdef0123/trace", json=body), (404, "ENTRY_UNKNOWN")),
            (maker.post(here, json={"receipt": "%"}), (422, "BASE64_MALFORMED")),
            (maker.post(here, json={"receipt": b64(b"{}")}), (422, "ENVELOPE_MALFORMED")),
            (maker.post(here, json={"receipt": b64(changed)}), (422, "ENVELOPE_MALFORMED")),
            (maker.post(here, json={"receipt": ""}), (422, "ENVELOPE_MALFORMED")),
            (maker.post(here, json={}), (422, "REQUEST_MALFORMED")),
            (
                maker.post(here, json={"receipt": "A" * ((1 << 25) + 4)}),
                (422, "REQUEST_MALFORMED"),
            ),
        ]
        for answer, expected in cases:
            assert refused(answer) == expected
            assert person(15).value not in answer.text
        assert good(auditor.get(f"/entries/{entry.hex()}"))["statement"] is None
        seen = good(maker.post(here, json=body))
        assert seen["statement"]["reason"] == "OVERDUE_M3"
        assert good(maker.post(here, json=body)) == seen
        assert good(auditor.get(f"/entries/{entry.hex()}")) == seen
        assert person(15).value not in str(seen)
