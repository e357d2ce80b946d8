"""A person's own page over her wallet, on her own machine: `kanhe person page`.

The desk's templates, style and guard, and nothing of a node. The address holds a random word, so
that no other program or user of the machine reaches the wallet; what she downloads are the files
of `kanhe person` (docs/person.md).
"""

from __future__ import annotations

import functools
import hmac
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment

from node.screening.asking import (
    MAX_GROUNDS,
    About,
    ConsentRequest,
    read_consent_request,
    read_person_request,
)
from node.screening.consent_files import (
    ConsentFile,
    RevocationFile,
    read_consent_file,
    write_consent_file,
    write_revocation_file,
)
from node.screening.consents import Purpose, Scope
from node.wallet import EntryFact, ReadBack, Wallet, entry_named, read_back
from node.web.blacklist_words import SCOPES
from node.web.i18n import LOCALES, Speaker
from node.web.lookup_words import PURPOSES
from node.web.middleware import Guard
from node.web.pages import HERE, keep_language, make_environment, speaker_of
from node.web.wallet_facts import entry_rows, lookup_rows, moment
from node.web.wallet_words import check_words, missing_words, refusal_of
from reconcile.model import InputError, KanheError, UsageError

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
WORD_BYTES: Final = 24
MAX_BODY_BYTES: Final = 64 << 20
MAX_PENDING: Final = 16
ASK_AGAIN: Final = (
    "give all 64 digits, which stand beside each entry once an answer was checked here"
)

Upload = Annotated[UploadFile, File()]
OptionalUpload = Annotated[UploadFile | None, File()]
Text = Annotated[str, Form()]
_MAX_MEMBER: Final = 2**32 - 1
Number = Annotated[int, Form(ge=1, le=_MAX_MEMBER)]


@dataclass(frozen=True, slots=True)
class Pending:
    """A consent that is shown and waits for her word."""

    asked: ConsentRequest
    signer: str
    envelope: bytes
    certificate: bytes


@dataclass(slots=True)
class WalletPage:
    """What the page's requests share."""

    wallet: Wallet
    word: str = field(default_factory=lambda: secrets.token_urlsafe(WORD_BYTES))
    templates: Environment = field(default_factory=make_environment)
    pending: dict[str, Pending] = field(default_factory=dict)
    seen: dict[bytes, EntryFact] = field(default_factory=dict)
    revocations: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Return the beginning of every address."""
        return f"/{self.word}"

    def keep(self, one: Pending) -> str:
        """Keep what was shown until it is signed; the oldest goes first."""
        key = secrets.token_urlsafe(WORD_BYTES)
        self.pending[key] = one
        while len(self.pending) > MAX_PENDING:
            del self.pending[next(iter(self.pending))]
        return key


def create_wallet_app(page: WalletPage) -> FastAPI:
    """Return the application; its pages stand under `page.base`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.page = page
    app.state.stopping = threading.Event()
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_api_route("/{word}/", home, methods=["GET"])
    for path, act in (
        ("key", key),
        ("consent", consent),
        ("sign", sign),
        ("revoke", revoke),
        ("revoke-entry", revoke_entry),
        ("ask", ask),
        ("answer", answer),
    ):
        app.add_api_route(f"/{{word}}/{path}", _guarded(act), methods=["POST"])
        # Where the language is changed after a form: the page itself.
        app.add_api_route(f"/{{word}}/{path}", home, methods=["GET"])
    app.add_exception_handler(RequestValidationError, _incomplete)
    app.add_middleware(Guard, max_body_bytes=MAX_BODY_BYTES, allowed_hosts=LOOPBACK, secure=False)
    return app


def _guarded(act: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Return an act whose refusal is shown on the page, with its code and what to do."""

    @functools.wraps(act)
    async def guarded(request: Request, **form: Any) -> Response:  # noqa: ANN401 - fields of a form
        if not _is_known(request):
            return _nothing()
        try:
            return await act(request, **form)
        except KanheError as error:
            return _render(request, status=error.http_status, error=error)

    return guarded


async def _incomplete(request: Request, _error: Exception) -> Response:
    """Show that a form was not filled in; what was sent is not repeated."""
    if not _is_known(request):
        return _nothing()
    error = UsageError("FORM_INCOMPLETE", "a field of the form is empty or no number")
    return _render(request, status=error.http_status, error=error)


async def home(request: Request) -> Response:
    """Show the page."""
    return _render(request) if _is_known(request) else _nothing()


async def key(request: Request, member: Number, towards: Text = "") -> Response:
    """Give what a member certifies; for consents to one reader alone where it is named."""
    reader = int(towards) if towards.isdecimal() and 0 < int(towards) <= _MAX_MEMBER else None
    if towards.strip() and reader is None:
        raise UsageError("MEMBER_NUMBER", f"{towards[:20]!r} is no member's number")
    made = _page(request).wallet.request_certificate(member, towards=reader)
    return _download(made, f"key-for-member-{member}.json")


async def consent(request: Request, asked: Upload, certificate: Upload) -> Response:
    """Show what a reader asks, once the element is hers, and wait for her word."""
    page, envelope, certified = _page(request), await asked.read(), await certificate.read()
    read, signer = read_consent_request(envelope)
    # Tried now, so that she is not asked about what could not be signed; it is not kept.
    page.wallet.consent(read, envelope, certified, now_s=int(time.time()))
    waiting = Pending(read, signer, envelope, certified)
    return _render(request, shown=waiting, shown_key=page.keep(waiting))


async def sign(request: Request, key: Text) -> Response:
    """Sign what was shown."""
    page = _page(request)
    waiting = page.pending.pop(key, None)
    if waiting is None:
        raise UsageError(
            "CONSENT_NOT_SHOWN", "this consent was not shown", help="open its file again"
        )
    made = page.wallet.consent(
        waiting.asked, waiting.envelope, waiting.certificate, now_s=int(time.time())
    )
    file = ConsentFile(page.wallet.domain, made.signed, made.revocation_hash)
    return _download(write_consent_file(file), f"consent-to-member-{waiting.asked.reader}.json")


async def revoke(request: Request, consent_file: Upload) -> Response:
    """Give the secret that revokes a consent of hers."""
    wallet = _page(request).wallet
    found = read_consent_file(await consent_file.read())
    secret = wallet.revocation_of(found.digest)
    made = RevocationFile(found.domain, found.signed.consent.reader, found.digest, secret)
    if found.signed.consent.purpose is Purpose.LISTING:
        raise UsageError(
            "REVOKES_WHAT",
            "a consent to be listed is revoked for an entry",
            help="check an answer here that shows the entry: a form to revoke it stands beside it",
        )
    if made.revocation_hash != found.revocation_hash:
        raise _other_wallet()
    return _download(write_revocation_file(made), f"revoke-{found.digest.hex()[:16]}.json")


async def revoke_entry(
    request: Request, entry: Text, consent_file: OptionalUpload = None
) -> Response:
    """Give what revokes the consent of an entry that was shown: the answer's file, or by her own.

    Her own is made from a consent that she signed and chooses here.
    """
    page = _page(request)
    number = _entry(request, entry)
    data = b"" if consent_file is None else await consent_file.read()
    made = page.revocations.get(number)
    if data:
        fact = page.seen[number]
        if sha256(data).digest() != fact.rests_on.document:
            raise InputError(
                "REVOKES_WHAT",
                "the entry rests on another consent than this one",
                help="choose the consent that you signed for this entry",
            )
        file = read_consent_file(data)
        made = page.wallet.listing_revocation(file, fact.uploader, fact.rests_on.consent)
        if made is None:
            raise _other_wallet()
    if made is None:
        raise UsageError(
            "REVOKES_WHAT",
            "the answer holds no file that revokes what this entry rests on",
            help="choose the consent that you signed, or ask the uploader for its file",
        )
    return _download(made, f"revoke-for-entry-{number.hex()[:16]}.json")


async def ask(
    request: Request,
    member: Number,
    about: Text,
    certificate: Upload,
    consent_certificate: OptionalUpload = None,
    entry: Text = "",
    grounds: Text = "",
) -> Response:
    """Give a signed request to a member: entries, receipts, a dispute."""
    if about not in set(About):
        raise UsageError("PERSON_ASKS_WHAT", "nothing of this name can be asked")
    number, reasons = None, ""
    if about == About.DISPUTE:
        number, reasons = _entry(request, entry), grounds.strip()
        if not 0 < len(reasons) <= MAX_GROUNDS:
            raise UsageError(
                "DISPUTE_MALFORMED", f"grounds are 1 to {MAX_GROUNDS} characters of text"
            )
    # A browser sends a part without content for a file that was not chosen.
    second = b"" if consent_certificate is None else await consent_certificate.read()
    made = _page(request).wallet.ask(
        member,
        About(about),
        await certificate.read(),
        now_s=int(time.time()),
        consent_certificate=second or None,
        entry=number,
        grounds=reasons,
    )
    return _download(made, f"{about.lower()}-to-member-{member}.json")


async def answer(request: Request, asked: Upload, answered: Upload) -> Response:
    """Show what a member's answer proves, part by part."""
    read, _ = read_person_request(await asked.read())
    page = _page(request)
    found = read_back(page.wallet, read, await answered.read())
    page.seen.update((fact.entry, fact) for fact in found.entries)
    page.revocations.update(found.revocations)
    return _render(request, found=found)


def _entry(request: Request, text: str) -> bytes:
    """Return the entry that is meant: all digits, or the beginning of one that was shown here."""
    return entry_named(text, _page(request).seen, help_=ASK_AGAIN)


def _other_wallet() -> InputError:
    return InputError(
        "WALLET_OTHER_CONSENT",
        "the consent was signed with another wallet",
        help="open the wallet that signed it",
    )


def _page(request: Request) -> WalletPage:
    page: WalletPage = request.app.state.page
    return page


def _is_known(request: Request) -> bool:
    """Say whether the address holds the page's word, in a time that tells nothing of it."""
    word = str(request.path_params.get("word", ""))
    return hmac.compare_digest(word.encode(), _page(request).word.encode())


def _nothing() -> Response:
    return Response("404", 404, media_type="text/plain")


def _download(data: bytes, name: str) -> Response:
    return Response(
        data,
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _render(
    request: Request,
    *,
    status: int = 200,
    error: KanheError | None = None,
    shown: Pending | None = None,
    shown_key: str = "",
    found: ReadBack | None = None,
) -> Response:
    page, speaker = _page(request), speaker_of(request)
    text = page.templates.get_template("wallet.html").render(
        s=speaker,
        locale=speaker.locale,
        locales=LOCALES,
        _=speaker.gettext,
        gettext=speaker.gettext,
        ngettext=speaker.ngettext,
        base=page.base,
        chain_id=page.wallet.domain.chain_id,
        id_type=str(page.wallet.identifier.type),
        error=None if error is None else refusal_of(error, speaker.locale, speaker.gettext),
        missing_words=missing_words,
        check_words=check_words,
        entry_rows=entry_rows,
        lookup_rows=lookup_rows,
        shown=None if shown is None else _shown(shown, speaker),
        shown_key=shown_key,
        found=found,
    )
    made = HTMLResponse(text, status)
    keep_language(request, made)
    return made


def _shown(waiting: Pending, speaker: Speaker) -> dict[str, str]:
    asked = waiting.asked
    _ = speaker.gettext
    scope = _(", ").join(_(SCOPES[item]) for item in Scope if item in asked.scope)
    return {
        "reader": str(asked.reader),
        "name": asked.reader_name,
        "purpose": _(PURPOSES[asked.purpose.name]),
        "scope": scope,
        "until": moment(speaker, asked.valid_to_s),
        "signer": waiting.signer,
    }
