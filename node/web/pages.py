"""One page's frame: the request's institution, person, language; rendering; log-in refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.orm import Session, sessionmaker

from node.errors import NotFound
from node.web import charts, detail, words
from node.web.access import LoginError, Who
from node.web.auth import Cookies, Limits, check_csrf, who_of_session, who_of_token
from node.web.i18n import LOCALES, Speaker, pick_locale
from node.web.node_view import NodeView, now_ms_of
from node.web.read.parties import AgreementView, Names, find_agreement, load_agreements, load_names
from node.web.read.status import load_strip
from node.web.sources import Sources
from node.web.tried import tried_why
from reconcile.model import AgreementKind, BreakKind, Side, window_day

HERE: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "kanhe_language"
SAID_COOKIE: Final = "kanhe_said"


def _static_version() -> str:
    digest = hashlib.sha256()
    for path in sorted((HERE / "static").rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def make_environment() -> Environment:
    """Return the templates; autoescape always, undefined names are errors."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.globals.update(
        words=words,
        charts=charts,
        detail=detail,
        tried_why=tried_why,
        AgreementKind=AgreementKind,
        Side=Side,
        BreakKind=BreakKind,
        window_day=window_day,
        version=_static_version(),
    )
    environment.filters["hex"] = lambda value: bytes(value).hex()
    environment.filters["url"] = lambda value: quote(str(value), safe="")
    return environment


@dataclass(frozen=True)
class Desk:
    """What every request shares: the nodes, the cookie signer, the templates."""

    nodes: Mapping[str, NodeView]
    cookies: Cookies
    secure_cookies: bool
    uploads: Path
    limits: Limits = field(default_factory=Limits)
    sources: Sources = field(default_factory=Sources)
    metrics: bool = True
    templates: Environment = field(default_factory=make_environment)
    pdf_font: Path | None = None
    booking_accounts: Path | None = None

    def node(self, slug: str) -> NodeView:
        """Return an institution's node; NotFound INSTITUTION_UNKNOWN."""
        if slug not in self.nodes:
            raise NotFound("INSTITUTION_UNKNOWN", f"no institution {slug!r} is hosted here")
        return self.nodes[slug]


def session_cookie(slug: str) -> str:
    """Return the name of an institution's session cookie."""
    return f"kanhe_session_{slug}"


def person_of(request: Request, desk: Desk, slug: str, now_ms: int) -> Who | None:
    """Return who sends a request, by API token or session; None for nobody.

    Raises LoginError TOKEN_WRONG.
    """
    node = desk.node(slug)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return who_of_token(node.sessions, token.strip(), now_ms)
    session = desk.cookies.open(request.cookies.get(session_cookie(slug)), slug)
    if not session:
        return None
    return who_of_session(node.sessions, session, now_ms, desk.limits)


def reading(node: NodeView) -> sessionmaker[Session]:
    """Return the factory of sessions that see a snapshot and never wait for a writer."""
    database = getattr(node, "database", None)
    return database.reading if database is not None else node.sessions


def speaker_of(request: Request, default: str | None = None) -> Speaker:
    """Return the request's language: the reader's choice, the person's, the browser's."""
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE) or default
    return Speaker(pick_locale(chosen, request.headers.get("accept-language")))


def keep_language(request: Request, answer: Response) -> None:
    """Remember the language a reader chose by `?lang=`."""
    chosen = request.query_params.get("lang")
    if chosen in LOCALES:
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=31_536_000, samesite="lax")


class Page:
    """One request at one institution by one logged-in person."""

    def __init__(self, request: Request, slug: str, *, login_needed: bool = True) -> None:
        """Find node and person; LoginError LOGIN_NEEDED where nobody is logged in."""
        self.request = request
        self.desk: Desk = request.app.state.desk
        self.slug = slug
        self.node = self.desk.node(slug)
        self.now_ms = now_ms_of(self.node)
        self.token = self.desk.cookies.open(request.cookies.get(session_cookie(slug)), slug)
        who = None
        if self.token:
            limits = self.desk.limits
            who = who_of_session(self.node.sessions, self.token, self.now_ms, limits)
        if who is None and login_needed:
            raise LoginError("LOGIN_NEEDED", "nobody is logged in", help="log in and repeat it")
        self._who = who
        self.speaker = speaker_of(request, who.language if who else None)

    @property
    def who(self) -> Who:
        """Return the person."""
        if self._who is None:
            raise LoginError("LOGIN_NEEDED", "nobody is logged in", help="log in and repeat it")
        return self._who

    @property
    def translate(self) -> Callable[[str], str]:
        """Return the function that translates one message."""
        return self.speaker.gettext

    @property
    def base(self) -> str:
        """Return the beginning of the institution's addresses."""
        return f"/{self.slug}"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session for reading."""
        with reading(self.node)() as session:
            yield session

    @cached_property
    def member(self) -> int | None:
        """Return the institution's member number."""
        member: int | None = self.node.member
        return member

    @cached_property
    def names(self) -> Names:
        """Return the local names of members and agreements."""
        with self.reading() as session:
            return load_names(session, (self.member, self.node.name))

    def agreements(self, session: Session) -> tuple[AgreementView, ...]:
        """Return the agreements this person may read."""
        views = load_agreements(session, self.member, self.node.name)
        return tuple(view for view in views if self.who.sees(view.agreement))

    def agreement(self, session: Session, text: str) -> AgreementView:
        """Return one agreement this person may read."""
        view = find_agreement(session, self.member, self.node.name, text)
        self.who.require("view", view.agreement)
        return view

    def act(self, csrf: str | None, act: str, agreement: bytes | None = None) -> None:
        """Check a form: the session's CSRF token, then the person's role for the act."""
        check_csrf(self.who, csrf)
        self.who.require(act, agreement)

    def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:  # noqa: ANN401 - template values
        """Return the rendered page inside the institution's frame."""
        with self.reading() as session:
            strip = load_strip(session, self.now_ms)
        text = render(
            self.desk,
            self.request,
            template,
            self.speaker,
            page=self,
            who=self._who,
            base=self.base,
            strip=strip,
            now_ms=self.now_ms,
            said=unquote(self.request.cookies.get(SAID_COOKIE, "")),
            **context,
        )
        answer = HTMLResponse(text, status)
        if SAID_COOKIE in self.request.cookies:
            answer.delete_cookie(SAID_COOKIE, path=self.base)
        keep_language(self.request, answer)
        return answer

    def go(self, path: str, *, said: str = "") -> Response:
        """Return a redirect after a form; `said` is shown once on the next page."""
        answer = RedirectResponse(f"{self.base}{path}", status_code=303)
        if said:
            answer.set_cookie(SAID_COOKIE, quote(said), max_age=20, path=self.base, httponly=True)
        return answer


def render(
    desk: Desk,
    request: Request,
    template: str,
    speaker: Speaker,
    **context: Any,  # noqa: ANN401 - template values
) -> str:
    """Return a template rendered in one language."""
    translate = speaker.gettext
    plural = speaker.ngettext
    return desk.templates.get_template(template).render(
        request=request,
        path=request.url.path,
        s=speaker,
        locale=speaker.locale,
        locales=LOCALES,
        _=translate,
        gettext=translate,
        ngettext=plural,
        **context,
    )
