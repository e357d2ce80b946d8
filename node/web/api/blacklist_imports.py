"""REST: a list of people checked row by row, and listed.

A list is a form, held in memory (`node/web/private_forms.py`). Nothing of a person is in an
answer: a row is its line, and a message quotes no cell. A listing's answer, which is kept for a
repeated call, names no hash of the list either: of a short one it could be guessed from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, BinaryIO, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.errors import Conflict
from node.intake import Import, Refused, open_import, read_map
from node.intake.kinds import Kind
from node.screening.notices import notices_of
from node.screening.profiles import profile_of
from node.services.screening.importing import Imported
from node.web.api.blacklist_shapes import HEX64, NoticeOut
from node.web.api.calls import By, Caller, Key, Limit
from node.web.numbers import MAX_NUMBER
from node.web.private_forms import PrivateForm, private_form
from reconcile.model import Contradiction, InputError, UsageError, Where

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
#: A call's answer is kept for its key: it has a bound.
MAX_LISTED: Final = 10_000
#: Refused rows of the list that a listing's answer names; a check names all, by the page.
SHOWN: Final = 500
MAX_MAP_BYTES: Final = 1 << 20
CHUNK: Final = 1 << 20
FILES: Final = {
    "file": "An overdue list (CSV, TSV, XLSX), MISP events or OpenSanctions' data.",
    "map": "A column map (TOML).",
}
Skip = Annotated[int, Query(ge=0, le=MAX_NUMBER, description="`next` of the page before.")]
Word = Annotated[str | None, Field(max_length=100)]


class ListIn(BaseModel):
    """How a list is read, and what holds for every row that does not say it itself."""

    model_config = ConfigDict(extra="forbid")

    policy: str = Field(default="CN-2013", max_length=40)
    format: (
        Literal["overdue", "misp", "ftm-entities", "ftm-statements-csv", "ftm-statements-json"]
        | None
    ) = None
    accept_map: bool = False
    test_identifiers: bool = False
    id_type: Word = None
    reason: Word = None
    product: Word = None
    action: Word = None
    proof_level: Word = None
    amount_band: Word = None
    days_past_due_band: Word = None
    event_month: Word = None
    effective_from: Word = None
    expires_at: Word = None
    notice_at: Word = None
    notice_hash: Word = None
    consent: Word = None

    def stated(self) -> dict[str, str]:
        """Return the words that hold for every row."""
        how = {"policy", "format", "accept_map", "test_identifiers", "partial", "file_sha256"}
        return self.model_dump(exclude=how, exclude_none=True)


class ListingsIn(ListIn):
    """`partial` lists the good rows of a list with refused ones.

    `file_sha256` is what a check answered: another list is refused as IMPORT_CHANGED.
    """

    partial: bool = False
    file_sha256: str | None = Field(default=None, pattern=HEX64)


class RefusedRow(BaseModel):
    """A row that is not listed: where, why and what to do; it quotes nothing of the row."""

    line: str
    column: str | None
    code: str = Field(examples=["IDENTIFIER_CHECKSUM"])
    message: str
    help: str


class SourceOut(BaseModel):
    """How many rows come from a source, and whether they were signed there."""

    source: str
    signed_at_source: str
    drafts: str


class ListOut(BaseModel):
    """What a list holds: rows that may be listed, refused ones, what is no row, whom to notify."""

    format: str = Field(examples=["overdue"])
    map: str | None
    drafts: str
    refused_count: str
    passed_over: dict[str, str]
    by_reason: dict[str, str]
    by_product: dict[str, str]
    sources: list[SourceOut]
    refused: list[RefusedRow]
    notify: list[NoticeOut]


class CheckedOut(ListOut):
    """A page of the refused rows, in order of the list; `next` asks for the following one."""

    file_sha256: str
    next: str | None


class ListedRow(BaseModel):
    """A row that was listed, and its entry."""

    line: str
    entry: str


class ListedOut(ListOut):
    """What was listed; `refused` rows are the list's, the first 500, then this node's."""

    listed: list[ListedRow]


@dataclass(frozen=True, slots=True)
class _Given:
    """A list and how it is to be read; the column map as it came."""

    file: BinaryIO
    map: bytes | None
    asked: ListIn

    def words(self) -> bytes:
        """Return what tells this call from others."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while chunk := self.file.read(CHUNK):
            digest.update(chunk)
        hashes = [digest.hexdigest()]
        if self.map is not None:
            hashes.append(hashlib.sha256(self.map).hexdigest())
        return json.dumps([*hashes, self.asked.model_dump()]).encode()

    def opened(self, by: Caller) -> AbstractContextManager[Import]:
        """Open the list for its passes."""
        asked = self.asked
        column_map = None if self.map is None else read_map(self.map, "map")
        stated = by.node.screening.stated(
            asked.stated(), policy=asked.policy, allow_test=asked.test_identifiers
        )
        return open_import(
            self.file,
            stated,
            column_map=column_map,
            accept_map=asked.accept_map,
            kind=None if asked.format is None else Kind(asked.format),
        )


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the form's shape for the OpenAPI document."""
    schema = model.model_json_schema()
    files = {
        name: {"type": "string", "format": "binary", "description": says}
        for name, says in FILES.items()
    }
    schema["properties"] = files | schema["properties"]
    schema["required"] = ["file"]
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/imports/check", openapi_extra=_body(ListIn))
async def check(request: Request, by: By, after: Skip = 0, limit: Limit = 50) -> CheckedOut:
    """Judge a list row by row, by the ledger's day; nothing is kept or listed."""
    by.who.require("screen")
    async with private_form(request, files=len(FILES)) as form:
        return await to_thread.run_sync(_check, by, form, after, limit)


@router.post("/imports", status_code=202, response_model=ListedOut, openapi_extra=_body(ListingsIn))
async def list_all(request: Request, by: By, key: Key = None) -> JSONResponse:
    """List everybody on a list, or nobody where a row is refused and it is not `partial`.

    Interrupted, it is asked again: who is listed already is refused by line, and nobody twice.
    """
    by.who.require("screen")
    async with private_form(request, files=len(FILES)) as form:
        return await to_thread.run_sync(_list_all, by, form, key)


def _check(by: Caller, form: PrivateForm, after: int, limit: int) -> CheckedOut:
    given = _given(form, ListIn)
    with given.opened(by) as found:
        rows = _page(found.refusals(), after, limit)
        left = found.summary.refused > after + limit
        return CheckedOut(
            **_counts(found, rows, given.asked.policy),
            file_sha256=found.summary.file_sha256,
            next=str(after + limit) if left else None,
        )


def _list_all(by: Caller, form: PrivateForm, key: str | None) -> JSONResponse:
    given = _given(form, ListingsIn)
    # What tells two calls apart must not let anybody try identifiers out against it.
    body = b"" if key is None else by.node.screening.fingerprint(given.words())
    return by.once("blacklist-import", key, body, lambda: _listed(by, given))


def _listed(by: Caller, given: _Given) -> dict[str, Any]:
    asked = given.asked
    assert isinstance(asked, ListingsIn), "as it was read"
    with given.opened(by) as found:
        rows = _page(found.refusals(), 0, SHOWN)
        _require(found, asked, rows)
        done = by.node.screening.list_import(found, partial=asked.partial, actor=by.who.login)
        return _answer(found, rows, done, asked.policy)


def _require(found: Import, asked: ListingsIn, rows: list[Refused]) -> None:
    """Refuse another list than was checked, a longer one than a call lists, refused rows."""
    summary = found.summary
    if asked.file_sha256 not in {None, summary.file_sha256}:
        raise Conflict(
            "IMPORT_CHANGED",
            "the list is not the one that was checked",
            where=Where(field="file_sha256"),
            help="check this one, and send it with the file_sha256 of that answer",
        )
    if summary.drafts > MAX_LISTED:
        raise UsageError(
            "IMPORT_TOO_MANY",
            f"the list holds {summary.drafts} people, a call lists at most {MAX_LISTED}",
            help="split the list, or import it with `kanhe blacklist import`",
        )
    if summary.refused and not asked.partial:
        raise InputError(
            "IMPORT_REFUSED",
            f"{summary.refused} of {summary.drafts + summary.refused} rows are refused, "
            "so nothing was kept",
            help="mend them (imports/check names each), or list the others with partial",
            details=tuple(
                Contradiction(one.code, f"{one.message}; {one.help}", one.line, one.column)
                for one in rows
            ),
        )


def _answer(found: Import, rows: list[Refused], done: Imported, policy: str) -> dict[str, Any]:
    return {
        **_counts(found, [*rows, *done.refused], policy),
        "listed": [{"line": str(line), "entry": entry.hex()} for line, entry in done.listed],
    }


def _counts(found: Import, rows: list[Refused], policy: str) -> dict[str, Any]:
    """Return what an answer says of a list: nothing of it is of one person."""
    summary = found.summary
    return {
        "format": str(summary.kind),
        "map": summary.column_map,
        "drafts": str(summary.drafts),
        "refused_count": str(summary.refused),
        "passed_over": _texts(summary.passed_over),
        "by_reason": _texts(summary.by_reason),
        "by_product": _texts(summary.by_product),
        "sources": [
            {"source": source, "signed_at_source": signed, "drafts": str(count)}
            for (source, signed), count in sorted(summary.sources.items())
        ],
        "refused": [{**one.to_json(), "line": str(one.line)} for one in rows],
        "notify": [notice.to_json() for notice in notices_of(profile_of(policy))],
    }


def _texts(counts: dict[str, int]) -> dict[str, str]:
    return {word: str(count) for word, count in sorted(counts.items())}


def _page(refusals: Iterable[Refused], after: int, limit: int) -> list[Refused]:
    """Return a page of the refusals; the list is read to its end whatever page it is."""
    rest = iter(refusals)
    page = list(islice(rest, after, after + limit))
    for _ in rest:
        pass
    return page


def _given(form: PrivateForm, model: type[ListIn]) -> _Given:
    """Return the form's list; `RequestValidationError` where a part is missing or is no such."""
    wrong: list[Any] = []
    asked: ListIn | None = None
    try:
        asked = model.model_validate(form.fields)
    except ValidationError as error:
        # Nothing of what was sent is handed on.
        wrong += [
            {"loc": ("body", *one["loc"]), "msg": one["msg"], "type": one["type"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
    if "file" not in form.files:
        wrong.append({"loc": ("body", "file"), "msg": "a file is required", "type": "missing"})
    if set(form.files) - set(FILES):
        says = f"files are {', '.join(FILES)}"
        wrong.append({"loc": ("body",), "msg": says, "type": "extra_forbidden"})
    if wrong or asked is None:
        raise RequestValidationError(wrong)
    held = form.files.get("map")
    data = None if held is None else held.read(MAX_MAP_BYTES + 1)
    if data is not None and len(data) > MAX_MAP_BYTES:
        raise UsageError(
            "MAP_MALFORMED", f"a column map has at most {MAX_MAP_BYTES} bytes", where=Where("map")
        )
    return _Given(form.files["file"], data, asked)
