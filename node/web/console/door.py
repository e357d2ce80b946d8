"""The door: choice of institution, log-in, one-time links, log-out."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from node.errors import BackPressure
from node.web import auth
from node.web.access import AccessError
from node.web.node_view import now_ms_of
from node.web.pages import Desk, Page, keep_language, render, session_cookie, speaker_of
from reconcile.model import KanheError

router = APIRouter(include_in_schema=False)
DOOR_COOKIE: Final = "kanhe_door"
Text = Annotated[str, Form()]


@router.get("/")
def choose(request: Request) -> Response:
    """Show the institutions hosted here; a single one is entered at once."""
    desk: Desk = request.app.state.desk
    if len(desk.nodes) == 1:
        return RedirectResponse(f"/{next(iter(desk.nodes))}/", status_code=303)
    institutions = [(slug, node.name) for slug, node in desk.nodes.items()]
    speaker = speaker_of(request)
    answer = HTMLResponse(render(desk, request, "choose.html", speaker, institutions=institutions))
    keep_language(request, answer)
    return answer


@router.get("/{slug}/login")
def login_page(request: Request, slug: str, next: str = "") -> Response:  # noqa: A002 - the form's word
    """Show the log-in form."""
    return _door_page(request, slug, "login.html", next=_inside(slug, next))


@router.post("/{slug}/login")
def log_in(
    request: Request,
    slug: str,
    login: Text,
    password: Text,
    door: Text = "",
    next: Text = "",  # noqa: A002 - the form's word
) -> Response:
    """Log in by password; a wrong one is counted."""
    desk: Desk = request.app.state.desk
    node = desk.node(slug)
    target = _inside(slug, next)
    now_ms = now_ms_of(node)
    source = request.client.host if request.client else ""
    try:
        desk.sources.require(source, now_ms)
        _check_door(request, door)
        person_id = auth.log_in(
            node.sessions,
            login.strip().lower(),
            password,
            now_ms,
            desk.limits,
        )
    except AccessError as error:
        if error.code != "CSRF":
            desk.sources.failed(source, now_ms)
        return _door_page(request, slug, "login.html", error=error, next=target)
    except BackPressure as error:
        answer = _door_page(request, slug, "login.html", error=error, next=target)
        answer.headers["retry-after"] = str(error.retry_after_s)
        return answer
    desk.sources.passed(source)
    return _let_in(request, slug, person_id, target)


@router.get("/{slug}/enter/{token}")
def enter_page(request: Request, slug: str, token: str) -> Response:
    """Show what a one-time link does; only the form uses it up, so that a preview does not."""
    node = request.app.state.desk.node(slug)
    with node.sessions() as session:
        person = auth.link_person(session, token, now_ms_of(node))
        login, name = person.login, person.display_name
    return _door_page(request, slug, "enter.html", person=name, login=login)


@router.post("/{slug}/enter/{token}")
def enter(
    request: Request,
    slug: str,
    token: str,
    how: Text = "password",
    password: Text = "",
    door: Text = "",
) -> Response:
    """Use a one-time link: set a password, or enter this once."""
    node = request.app.state.desk.node(slug)
    now_ms = now_ms_of(node)
    try:
        _check_door(request, door)
        with node.sessions.begin() as session:
            wanted = password if how == "password" else None
            person_id = auth.spend_link(session, token, wanted, now_ms).id
    except KanheError as error:
        with node.sessions() as session:
            person = auth.link_person(session, token, now_ms)
            login, name = person.login, person.display_name
        return _door_page(request, slug, "enter.html", person=name, login=login, error=error)
    return _let_in(request, slug, person_id, f"/{slug}/")


@router.post("/{slug}/logout")
def log_out(request: Request, slug: str, csrf: Text = "") -> Response:
    """Log out."""
    page = Page(request, slug)
    page.act(csrf, "own")
    with page.node.sessions.begin() as session:
        auth.end_session(session, page.token or "", page.now_ms, page.who.login)
    answer = RedirectResponse(f"/{slug}/login", status_code=303)
    answer.delete_cookie(session_cookie(slug), path=f"/{slug}")
    return answer


def _inside(slug: str, target: str) -> str:
    """Return where to go after the log-in: only ever inside this institution."""
    fits = target.startswith(f"/{slug}/") and "\\" not in target and "//" not in target
    return target if fits else f"/{slug}/"


def _check_door(request: Request, door: str) -> None:
    """Compare the form's token with the cookie's: nobody logs you in as somebody else."""
    cookie = request.cookies.get(DOOR_COOKIE, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), door.encode()):
        raise AccessError("CSRF", "this form is too old", help="try again")


def _door_page(
    request: Request,
    slug: str,
    template: str,
    *,
    error: KanheError | None = None,
    **context: str,
) -> Response:
    desk: Desk = request.app.state.desk
    door = secrets.token_urlsafe(24)
    text = render(
        desk,
        request,
        template,
        speaker_of(request),
        name=desk.node(slug).name,
        base=f"/{slug}",
        door=door,
        error=error,
        **context,
    )
    answer = HTMLResponse(text, error.http_status if error else 200)
    answer.set_cookie(
        DOOR_COOKIE,
        door,
        max_age=1_800,
        path=f"/{slug}",
        httponly=True,
        samesite="strict",
        secure=desk.secure_cookies,
    )
    keep_language(request, answer)
    return answer


def _let_in(request: Request, slug: str, person_id: int, target: str) -> Response:
    desk: Desk = request.app.state.desk
    node = desk.node(slug)
    with node.sessions.begin() as session:
        token = auth.start_session(session, person_id, now_ms_of(node), desk.limits)
    answer = RedirectResponse(target, status_code=303)
    answer.set_cookie(
        session_cookie(slug),
        desk.cookies.seal(token, slug),
        path=f"/{slug}",
        httponly=True,
        # Lax, not strict: a link in a mail opens the page; every write also carries a token.
        samesite="lax",
        secure=desk.secure_cookies,
    )
    return answer
