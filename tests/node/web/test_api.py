from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from desk_town import Reader, Replica, Town
from sqlalchemy import select

from node.crypto.verifying import verify_bytes
from node.tables import MatchRun, PostedEntry
from reconcile.model import Side


@pytest.fixture
def api(reader: Reader) -> Iterator[httpx.Client]:
    """A program with a token of every role."""
    found = re.search(r"kanhe_[0-9a-f]{64}", reader.post("/me/tokens", 200, label="program"))
    assert found
    headers = {"authorization": f"Bearer {found.group(0)}"}
    with httpx.Client(base_url=f"{reader.base}/firm/api/v1", headers=headers, timeout=30) as client:
        yield client


def good(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    """Return the body of a good answer."""
    assert answer.status_code < 300, answer.text
    return answer.json()


def test_problems_are_problem_json_with_the_code(api: httpx.Client, reader: Reader) -> None:
    """No token, a wrong token, what is not there and what is malformed: status, code, help."""
    bare = httpx.get(f"{reader.base}/firm/api/v1/status")
    wrong = httpx.get(
        f"{reader.base}/firm/api/v1/status", headers={"authorization": "Bearer kanhe_00"}
    )
    for answer, status, code in (
        (bare, 401, "TOKEN_NEEDED"),
        (wrong, 401, "TOKEN_WRONG"),
        (api.get("/agreements/ffffffffffffffff"), 404, "AGREEMENT_UNKNOWN"),
        (api.get("/agreements/ffffffffffffffff/breaks?limit=9000"), 422, "REQUEST_MALFORMED"),
        (api.get("/nowhere"), 404, "PAGE_UNKNOWN"),
        (api.post("/status"), 405, "METHOD_WRONG"),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
        assert set(body) >= {"type", "title", "detail", "where", "help"}


def test_a_form_that_cannot_be_read_is_no_unknown_address(api: httpx.Client, town: Town) -> None:
    """What is wrong is the body, and the answer says so."""
    here = f"/agreements/{town.agreement.hex()}/import"
    for body in (b"noise", b"--x\r\nnoise"):
        head = {"content-type": "multipart/form-data; boundary=x"}
        answer = api.post(here, content=body, headers=head)
        assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_MALFORMED")


def test_the_day_can_be_read_by_a_program(api: httpx.Client, town: Town) -> None:
    """Status, agreements, windows, breaks, entries: amounts as strings, ids as hex."""
    assert good(api.get("/status"))["institution"] == town.firm.name
    agreements = good(api.get("/agreements"))
    assert [row["agreement"] for row in agreements] == [town.agreement.hex()]
    assert agreements[0]["our_side"] == "owner"
    here = f"/agreements/{town.agreement.hex()}"
    windows = good(api.get(f"{here}/windows"))
    assert [row["window"] for row in windows][-3:] == [town.open, town.agreed, 0]
    assert [row["state"] for row in windows][-2:] == ["AGREED", "AGREED"]
    assert all(item["minor"] == "0" for row in windows[-2:] for item in row["proof"])
    breaks = good(api.get(f"{here}/breaks", params={"window": town.agreed, "limit": 500}))["rows"]
    expected = town.relation.days[0].labels
    assert expected is not None
    assert sorted(row["kind"] for row in breaks) == sorted(item.kind for item in expected)
    one = good(api.get(f"{here}/breaks/{breaks[0]['key']}"))
    assert one["kind"] == breaks[0]["kind"]


def test_pages_of_entries_hold_each_entry_once(
    api: httpx.Client, town: Town, replica: Replica
) -> None:
    """Following `next` gives the side's stream of the window, in order, nothing twice."""
    path = f"/agreements/{town.agreement.hex()}/windows/{town.agreed}/entries/servicer"
    refs: list[str] = []
    after: str | None = ""
    while after is not None:
        query = {"limit": "9", **({"after": after} if after else {})}
        body = good(api.get(path, params=query))
        refs += [row["entry_ref"] for row in body["rows"]]
        after = body["next"]
    with replica.sessions() as session:
        stored = session.scalars(
            select(PostedEntry.entry_ref)
            .where(
                PostedEntry.agreement == town.agreement,
                PostedEntry.side == Side.SERVICER,
                PostedEntry.window == town.agreed,
                PostedEntry.repeat.is_(False),
            )
            .order_by(PostedEntry.seq, PostedEntry.leaf)
        ).all()
    assert refs == list(stored)
    entry = good(api.get(f"/agreements/{town.agreement.hex()}/entries/servicer/{refs[0]}"))
    assert entry["amount_minor"].isdecimal()
    assert entry["seq"] == 2


@pytest.mark.parametrize("sort", ["order", "amount", "age"])
def test_every_order_pages_through_all_breaks(api: httpx.Client, town: Town, sort: str) -> None:
    """Whatever the order, pages of three hold every break once."""
    path = f"/agreements/{town.agreement.hex()}/breaks"
    whole = good(api.get(path, params={"limit": 500, "sort": sort}))["rows"]
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        query = {"limit": "3", "sort": sort, **({"after": after} if after else {})}
        body = good(api.get(path, params=query))
        keys += [row["key"] for row in body["rows"]]
        after = body["next"]
    assert keys == [row["key"] for row in whole]
    assert len(set(keys)) == len(keys) > 3


def test_the_bundle_is_what_verify_checks(api: httpx.Client, town: Town) -> None:
    """The downloaded bundle verifies offline; an open window has none."""
    here = f"/agreements/{town.agreement.hex()}/windows"
    answer = api.get(f"{here}/{town.agreed}/bundle")
    assert verify_bytes(answer.content).ok
    refused = api.get(f"{here}/{town.open + 800}/bundle")
    assert refused.status_code >= 400
    assert refused.json()["code"]


def test_a_session_reads_but_writes_only_with_its_token(reader: Reader, town: Town) -> None:
    """A browser's cookie alone reads the API; a write needs X-CSRF-Token."""
    here = f"/firm/api/v1/agreements/{town.agreement.hex()}"
    assert reader.client.get(here).status_code == 200
    refused = reader.client.post(f"{here}/windows/{town.open}/close")
    assert (refused.status_code, refused.json()["code"]) == (403, "CSRF")


def test_a_token_does_no_more_than_its_roles(reader: Reader, town: Town, replica: Replica) -> None:
    """A token made for viewing cannot close a window; a revoked one does nothing."""
    from node.web.auth import make_api_token

    with replica.sessions.begin() as session:
        token = make_api_token(session, 1, "narrow", ["viewer"], replica.now_ms)
    headers = {"authorization": f"Bearer {token}"}
    here = f"/firm/api/v1/agreements/{town.agreement.hex()}"
    refused = reader.client.post(f"{here}/windows/{town.open}/close", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")


def test_the_document_describes_every_call(api: httpx.Client) -> None:
    """OpenAPI names every route with a summary, a response shape and the problem."""
    document = good(api.get("/openapi.json"))
    calls = [call for path in document["paths"].values() for call in path.values()]
    assert len(calls) >= 17
    for call in calls:
        assert call["description"]
        assert {"401", "422", "503"} <= set(call["responses"])
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_stream_says_when_something_moved(
    api: httpx.Client, replica: Replica, town: Town
) -> None:
    """A reader of the stream gets an event after a new run was stored."""
    with api.stream("GET", "/stream", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        for line in lines:
            if line.startswith("event: moved"):
                break
        with replica.sessions.begin() as session:
            run = session.scalars(select(MatchRun).limit(1)).first()
            assert run is not None
            values = {
                column.name: getattr(run, column.name)
                for column in MatchRun.__table__.columns
                if column.name not in {"id", "window"}
            }
            session.add(MatchRun(**values, window=town.open + 8))
        assert any(line.startswith("event: moved") for line in lines)


def test_health_answers_without_a_log_in_and_figures_do_not(reader: Reader) -> None:
    """Machines that watch need no person; what tells how much is open needs a token."""
    assert good(httpx.get(f"{reader.base}/healthz")) == {"ok": True}
    assert httpx.get(f"{reader.base}/readyz").status_code in {200, 503}
    for headers in ({}, {"authorization": "Bearer kanhe_00"}):
        refused = httpx.get(f"{reader.base}/metrics", headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
