"""Lists over REST: judged row by row, listed once a key; no identifier anywhere afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import socket
import tempfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from node.bootstrap import Node
from node.listings import keep_listing
from node.services.screening import listing as listing_module
from node.tables import IdempotencyKey, OwnListing
from node.web import private_forms
from node.web.api import blacklist_imports
from node.web.api.blacklist_imports import ListingsIn, _Given
from reconcile.model import day_iso
from tests.node.services.blacklist_town import BlacklistTown, fresh_town, person
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served

HEADER = (
    "身份证号,产品,逾期金额,逾期天数,逾期起始日,告知日期,采取措施,名单类型,授权书摘要,告知书摘要"
)
WRONG = "990000198001010099"
#: A form's file, as far as its first byte.
PART = b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
#: The desk hangs up after a failure of its own.
LAST = {"connection": "close"}


@pytest.fixture
def town(founded_town: BlacklistTown) -> Iterator[BlacklistTown]:
    """A town in which nobody is listed and no point is spent."""
    with fresh_town(founded_town) as lent:
        yield lent


def row(town: BlacklistTown, identifier: str, *, told: bool = True) -> str:
    """Return a row that may be listed, or one of a person who was not told."""
    today = town.today()
    when = day_iso(today - 30) if told else ""
    since = day_iso(today - 100)
    words = f"{identifier},信用卡,1234.50,95,{since},{when},催收,逾期"
    return f"{words},{'a' * 64},{'b' * 64}"


def overdue(town: BlacklistTown, *serials: int, bad: bool = False) -> bytes:
    """Return a list of people; where `bad` three rows of it are refused after them."""
    rows = [HEADER, *(row(town, person(serial).value) for serial in serials)]
    if bad:
        rows += [row(town, WRONG), row(town, person(900).value, told=False)]
        rows.append(row(town, person(serials[0]).value))
    return "\n".join(rows).encode()


def form(data: bytes, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a form's parts
    """Return a call's form over a list; its name is its sender's, and a person's here."""
    files = {"file": (f"{person(899).value}.csv", data), **more.pop("files", {})}
    fields = {"test_identifiers": "true", "accept_map": "true", **more}
    return {"files": files, "data": fields}


def listings(node: Node) -> int:
    """Return how many listings a node keeps."""
    with node.database.reading() as session:
        return len(session.scalars(select(OwnListing.entry)).all())


def test_a_list_is_checked_and_listed_once_a_key(town: BlacklistTown) -> None:
    """Rows with what to do, nothing kept; then the good ones, and the same answer once more."""
    alpha = town.node(1)
    data, key = overdue(town, 1, 2, bad=True), {"Idempotency-Key": "list"}
    with (
        served({"alpha": alpha}) as base,
        program(alpha, base, "alpha", "maker") as maker,
        program(alpha, base, "alpha", "viewer") as viewer,
    ):
        checked = good(maker.post("/imports/check", **form(data)))
        assert (checked["drafts"], checked["refused_count"]) == ("2", "3")
        assert [(one["line"], one["code"]) for one in checked["refused"]] == [
            ("4", "IDENTIFIER_CHECKSUM"),
            ("5", "LISTING_NO_NOTICE"),
            ("6", "ROW_TWICE"),
        ]
        assert all(one["help"] for one in checked["refused"])
        assert checked["file_sha256"] == hashlib.sha256(data).hexdigest()
        pages = [
            good(maker.post(f"/imports/check?limit=2&after={after}", **form(data)))
            for after in (0, 2, 9)
        ]
        assert [len(page["refused"]) for page in pages] == [2, 1, 0]
        assert [page["next"] for page in pages] == ["2", None, None]
        assert listings(alpha) == 0
        # Refused whole, with its rows in the refusal.
        whole = maker.post("/imports", headers=key, **form(data))
        assert refused(whole) == (422, "IMPORT_REFUSED")
        assert [one["line"] for one in whole.json()["details"]] == [4, 5, 6]
        assert listings(alpha) == 0
        seen = {"file_sha256": checked["file_sha256"], "partial": "true"}
        other = overdue(town, 1, 3, bad=True)
        assert refused(maker.post("/imports", **form(other, **seen))) == (409, "IMPORT_CHANGED")
        made = good(maker.post("/imports", headers=key, **form(data, **seen)))
        assert [one["line"] for one in made["listed"]] == ["2", "3"]
        assert "file_sha256" not in made
        assert good(maker.post("/imports", headers=key, **form(data, **seen))) == made
        changed = maker.post("/imports", headers=key, **form(other, partial="true"))
        assert refused(changed) == (409, "IDEMPOTENCY_CONFLICT")
        again = good(maker.post("/imports", **form(data, **seen)))
        assert again["listed"] == []
        assert [one["code"] for one in again["refused"]][-2:] == ["LISTED_ALREADY"] * 2
        assert listings(alpha) == 2
        assert refused(viewer.post("/imports", **form(data))) == (403, "NOT_ALLOWED")
        answers = [checked, whole.json(), made, again, changed.json()]
        assert not names(json.dumps(answers).encode(), 1, 2, 899)
        town.settle()
        (one, _) = (item["entry"] for item in made["listed"])
        assert good(maker.get(f"/entries/{one}"))["state"] == "TICKETED"
    fields = {**form(data, **seen)["data"]}
    words = _Given(io.BytesIO(data), None, ListingsIn.model_validate(fields)).words()
    with alpha.database.reading() as session:
        for kept in session.scalars(select(IdempotencyKey)):
            assert not names(kept.answer, 1, 2, 899)
            # A short list's hash could be guessed from: only what is keyed is kept.
            assert hashlib.sha256(data).hexdigest().encode() not in kept.answer
            told = (words, alpha.screening.fingerprint(words))
            assert [hashlib.sha256(one).digest() == kept.body_sha256 for one in told] == [0, 1]
    home = b"".join(item.read_bytes() for item in alpha.home.rglob("*") if item.is_file())
    assert not names(home, 1, 2, 899)


def names(data: bytes, *serials: int) -> bool:
    """Say whether bytes name one of these people, or the wrong number of the lists."""
    return any(one.encode() in data for one in (WRONG, *(person(n).value for n in serials)))


def test_maps_and_sources_over_rest(town: BlacklistTown) -> None:
    """A map of one's own; what is stated for every row of a source that does not know it."""
    alpha = town.node(1)
    today = town.today()
    text = "客户,类型,逾期金额,逾期天数,逾期起始日,告知日期\n"
    text += f"{person(5).value},坏账,1234.50,95,{day_iso(today - 100)},{day_iso(today - 30)}\n"
    own = """name = "ours"
[columns]
identifier = ["客户"]
reason = ["类型"]
amount = ["逾期金额"]
days_past_due = ["逾期天数"]
event_date = ["逾期起始日"]
notice_at = ["告知日期"]
[words.reason]
"坏账" = "OVERDUE_M3"
"""
    said = {
        "id_type": "CN-RID",
        "product": "CARD",
        "action": "COLLECTION",
        "notice_hash": "a" * 64,
        "consent": "b" * 64,
    }
    event = {
        "Event": {
            "uuid": "5f0a",
            "Orgc": {"name": "CERT"},
            "Attribute": [
                {"uuid": "1", "type": "identity-card-number", "value": person(6).value},
                {"uuid": "2", "type": "ip-dst", "value": "192.0.2.1"},
            ],
        }
    }
    bands = {"amount_band": "0", "days_past_due_band": "0", "event_month": day_iso(today)[:7]}
    told = {"notice_at": day_iso(today - 30), "reason": "MULE_ACCOUNT"}
    with served({"alpha": alpha}) as base, program(alpha, base, "alpha", "maker") as maker:
        mapped = {"map": ("ours.toml", own.encode())}
        found = good(maker.post("/imports", **form(text.encode(), files=mapped, **said)))
        assert (found["map"], found["format"], len(found["listed"])) == ("ours", "overdue", 1)
        stated = {**said, **bands, **told, "action": "ACCOUNT_FROZEN", "product": "ACCOUNT"}
        checked = good(maker.post("/imports/check", **form(json.dumps(event).encode(), **stated)))
        assert (checked["format"], checked["drafts"]) == ("misp", "1"), checked
        assert checked["sources"][0]["drafts"] == "1"
        cases = [
            ({"files": {"map": ("m", b"name = 1")}}, (422, "MAP_MALFORMED")),
            ({"files": {"map": ("m", b"#" * (1 << 20) + b"\n")}}, (422, "MAP_MALFORMED")),
            ({"notice_at": "soon"}, (422, "ROW_DATE")),
            ({"reason": "HAIR"}, (422, "ROW_WORD_UNKNOWN")),
            ({"policy": "XX"}, (422, "PROFILE_UNKNOWN")),
            ({"format": "misp"}, (422, "MISP_MALFORMED")),
            ({"accept_map": "false"}, (422, "COLUMN_MAP_UNCONFIRMED")),
        ]
        for more, expected in cases:
            answer = maker.post("/imports/check", **form(overdue(town, 7), **more))
            assert refused(answer) == expected, more
            assert not names(answer.content, 7, 899)


def test_forms_that_are_none_are_refused(
    town: BlacklistTown, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens, shapes, cut bodies, files that are no list: a stable code each, nothing logged."""
    alpha = town.node(1)
    caplog.set_level(logging.DEBUG)
    data = overdue(town, 8)
    head = {"content-type": "multipart/form-data; boundary=x"}
    noise = person(8).value.encode()
    with served({"alpha": alpha}) as base, program(alpha, base, "alpha", "maker") as maker:
        for token in ("", "Bearer kanhe_none"):
            stranger = httpx.post(
                f"{base}/alpha/api/v1/blacklist/imports",
                headers={"authorization": token},
                **form(data),
            )
            assert stranger.status_code == 401
        cases = [
            (maker.post("/imports", json={"file": "x"}), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports", content=noise), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports", content=noise, headers=head), (422, "REQUEST_MALFORMED")),
            (
                maker.post("/imports", content=PART + noise, headers=head),
                (422, "REQUEST_MALFORMED"),
            ),
            (
                maker.post(
                    "/imports", content=b"", headers={"content-type": "multipart/form-data"}
                ),
                (422, "REQUEST_MALFORMED"),
            ),
            (maker.post("/imports", data={"reason": "x"}), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports", **form(data, hair="red")), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports", **form(data, format="pdf")), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports", **form(data, file_sha256="x")), (422, "REQUEST_MALFORMED")),
            (maker.post("/imports/check", **form(data, partial="1")), (422, "REQUEST_MALFORMED")),
            (
                maker.post("/imports", **form(data, files={"hair": ("x", b"")})),
                (422, "REQUEST_MALFORMED"),
            ),
            (
                maker.post("/imports", files=[("file", ("a", data)), ("file", ("b", data))]),
                (422, "REQUEST_MALFORMED"),
            ),
            (
                maker.post("/imports/check?after=-1", **form(data)),
                (422, "REQUEST_MALFORMED"),
            ),
            (maker.post("/imports", **form(b"")), (422, "HEADER_UNKNOWN")),
            (maker.post("/imports", **form(noise + b"\n")), (422, "HEADER_UNKNOWN")),
            (maker.post("/imports", **form(b"PK\x03\x04" + noise)), (422, "TRUNCATED")),
        ]
        for answer, expected in cases:
            assert refused(answer) == expected
            assert not names(answer.content, 8, 899)
    assert listings(alpha) == 0
    assert not names(caplog.text.encode(), 8, 9, 899)


def test_a_list_of_any_size_stays_in_memory_or_is_refused(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is spooled to the disk; too large, too slow, too many people: refused, and let go."""
    alpha = town.node(1)
    spooled: list[object] = []
    rollover = tempfile.SpooledTemporaryFile.rollover
    monkeypatch.setattr(
        tempfile.SpooledTemporaryFile,
        "rollover",
        lambda file: (spooled.append(file), rollover(file)),
    )
    data, blank = overdue(town, 8), b"," * 9 + b"\n"
    with served({"alpha": alpha}) as base, program(alpha, base, "alpha", "maker") as maker:
        large = good(maker.post("/imports/check", **form(data + b"\n" + blank * 200_000)))
        assert large["drafts"] == "1"
        monkeypatch.setattr(private_forms, "MAX_FORM_BYTES", 4_096)
        padded = form(data + b"\n" + blank * 1_000)
        assert refused(maker.post("/imports", **padded)) == (413, "BODY_TOO_LARGE")
        assert sent_in_pieces(maker, PART + blank * 1_000) == 413
        monkeypatch.setattr(private_forms, "SENDING_S", 0.1)
        assert sent_in_pieces(maker, PART, ends=False) == 408
        # The next one finds the place free.
        assert good(maker.post("/imports/check", **form(data)))["drafts"] == "1"
        monkeypatch.setattr(blacklist_imports, "MAX_LISTED", 1)
        two = maker.post("/imports", **form(overdue(town, 8, 9)))
        assert refused(two) == (422, "IMPORT_TOO_MANY")
    assert not spooled
    assert listings(alpha) == 0


def sent_in_pieces(maker: httpx.Client, body: bytes, *, ends: bool = True) -> int:
    """Send a body that does not say how long it is, and return the answer's status."""
    place = urlsplit(str(maker.base_url))
    assert place.hostname, "the desk's"
    assert place.port, "the desk's"
    head = [
        f"POST {place.path}imports HTTP/1.1",
        f"Host: {place.netloc}",
        f"Authorization: {maker.headers['authorization']}",
        "Content-Type: multipart/form-data; boundary=x",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "",
        f"{len(body):x}",
        "",
    ]
    with socket.create_connection((place.hostname, place.port), timeout=30) as wire:
        wire.sendall("\r\n".join(head).encode() + body + b"\r\n")
        if ends:
            wire.sendall(b"0\r\n\r\n")
        return int(wire.recv(64).split()[1])


def test_one_list_at_a_time(town: BlacklistTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is read another is told to come again, and the desk answers everything else."""
    alpha = town.node(1)
    seen: list[tuple[int, str]] = []
    answered: list[int] = []
    with (
        served({"alpha": alpha}) as base,
        program(alpha, base, "alpha", "maker") as maker,
        program(alpha, base, "alpha", "viewer") as viewer,
    ):
        given = blacklist_imports._given

        def asked(*args: Any) -> Any:  # noqa: ANN401 - as it is called
            if not seen:
                seen.append((0, ""))
                other = maker.post("/imports/check", **form(overdue(town, 3)))
                seen[0] = refused(other)
                assert int(other.headers["retry-after"]) > 0
                answered.append(viewer.get("/entries").status_code)
            return given(*args)

        monkeypatch.setattr(blacklist_imports, "_given", asked)
        assert good(maker.post("/imports/check", **form(overdue(town, 3))))["drafts"] == "1"
        assert seen == [(429, "UPLOAD_BUSY")]
        assert answered == [200]
        assert good(maker.post("/imports/check", **form(overdue(town, 3))))["drafts"] == "1"


@pytest.mark.parametrize("crash_at", [1, 3, 4])
def test_a_crash_keeps_whole_listings_alone(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    """What was committed stands whole, the rest is nothing; the same call goes on where it ended.

    Its points reach for four people once: who is listed already needs none again.
    """
    alpha = town.node(1)
    data, key = overdue(town, 1, 2, 3, 4), {"Idempotency-Key": "crash"}
    monkeypatch.setattr(listing_module, "BATCH", 2)
    kept: list[int] = []

    def breaking(*args: Any, **more: Any) -> None:  # noqa: ANN401 - as it is called
        keep_listing(*args, **more)
        kept.append(len(kept))
        if len(kept) == crash_at:
            raise RuntimeError("the process dies here")

    with served({"alpha": alpha}) as base, program(alpha, base, "alpha", "maker") as maker:
        with monkeypatch.context() as patched:
            patched.setattr(listing_module, "keep_listing", breaking)
            dead = maker.post("/imports", headers={**key, **LAST}, **form(data))
            assert dead.status_code == 500
        before = (crash_at - 1) // 2 * 2
        assert listings(alpha) == before
        assert alpha.tip()["outbox"] >= before
        made = good(maker.post("/imports", headers=key, **form(data)))
        assert len(made["listed"]) == 4 - before
        assert [one["code"] for one in made["refused"]] == ["LISTED_ALREADY"] * before
        assert listings(alpha) == 4
        short = maker.post("/imports", **form(overdue(town, 1, 5)))
        assert refused(short) == (422, "POINTS_SHORT")
        assert listings(alpha) == 4
    town.settle()
    rows, _ = alpha.screening.entries(ours=True)
    assert [row.state for row in rows] == ["TICKETED"] * 4


def test_the_openapi_document_shows_the_form(town: BlacklistTown) -> None:
    """A program finds files and fields, and that both calls take a form."""
    alpha = town.node(1)
    with served({"alpha": alpha}) as base:
        document = httpx.get(f"{base}/alpha/api/v1/openapi.json").json()
    for path, more in (("imports", {"partial", "file_sha256"}), ("imports/check", set())):
        call = document["paths"][f"/{{slug}}/api/v1/blacklist/{path}"]["post"]
        shape = call["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert shape["required"] == ["file"]
        assert {"file", "map", "reason", "notice_hash", *more} <= set(shape["properties"])
        assert ("partial" in shape["properties"]) == bool(more)
        assert "$defs" not in shape
