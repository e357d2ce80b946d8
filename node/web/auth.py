"""People: passwords (argon2id), one-time links, sessions, API tokens, lock-out.

Only SHA-256 of a session, link or API token is kept. A session cookie is signed, so a guess is
refused before the database is asked. A CSRF token is the HMAC of the session's token: the page
can show it, another site cannot know it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from node.acts import record_act
from node.tables import ApiToken, Person, PersonRole, SetupLink, WebSession
from node.web.access import ROLES, AccessError, LoginError, Who
from reconcile.model import InputError, Where

MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_LENGTH: Final = 256
TOUCH_MS: Final = 60 * 1_000
IDLE_DEFAULT_MS: Final = 30 * 60 * 1_000
TOKEN_BYTES: Final = 32
LOGIN_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of log-ins and sessions, from the settings."""

    max_failed: int = 5
    max_failed_source: int = 20
    lock_ms: int = 15 * 60 * 1_000
    session_ms: int = 12 * 3_600 * 1_000
    idle_ms: int = IDLE_DEFAULT_MS


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    # Verified when the login is unknown, so that both answers take the same time.
    return _hasher().hash(secrets.token_hex(TOKEN_BYTES))


def _act(
    session: Session,
    now_ms: int,
    actor: str,
    act: str,
    login: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    subject = f"person/{login}"
    record_act(session, actor=actor, act=act, subject=subject, now_ms=now_ms, details=details)


def sha256(text: str) -> bytes:
    """Return SHA-256 of a token's text."""
    return hashlib.sha256(text.encode()).digest()


def csrf_of(token: str) -> str:
    """Return the CSRF token that belongs to a session token."""
    return hmac.new(token.encode(), b"kanhe/csrf/1", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Cookies:
    """Signs and reads session cookies with the desk's secret."""

    secret: bytes

    def seal(self, token: str, slug: str) -> str:
        """Return the cookie's text for a session token at one institution."""
        return str(URLSafeSerializer(self.secret, salt=f"kanhe/session/{slug}").dumps(token))

    def open(self, cookie: str | None, slug: str) -> str | None:
        """Return the token in the cookie, or None when it is missing or not ours."""
        if not cookie:
            return None
        try:
            token = URLSafeSerializer(self.secret, salt=f"kanhe/session/{slug}").loads(cookie)
        except BadSignature:
            return None
        return token if isinstance(token, str) else None


# --------------------------------------------------------------------------- people
def invite_person(
    sessions: sessionmaker[Session],
    *,
    login: str,
    display_name: str,
    roles: Iterable[str],
    now_ms: int,
    ttl_s: int = 86_400,
    agreement: bytes | None = None,
    actor: str = "node",
) -> str:
    """Make (or find) a person with these roles; return the path of a one-time link.

    Raises InputError LOGIN_SHAPE or ROLE_UNKNOWN.
    """
    wanted = tuple(roles)
    _check_login(login, wanted)
    with sessions.begin() as session:
        person = session.scalar(select(Person).where(Person.login == login))
        if person is None:
            person = Person(
                login=login,
                display_name=display_name,
                pseudonym=f"p-{secrets.token_hex(6)}",
                language="zh",
                active=True,
                failed_logins=0,
                created_at_ms=now_ms,
            )
            session.add(person)
            session.flush()
        held = set(
            session.execute(
                select(PersonRole.role, PersonRole.agreement).where(
                    PersonRole.person_id == person.id,
                ),
            ),
        )
        session.add_all(
            PersonRole(person_id=person.id, role=role, agreement=agreement)
            for role in dict.fromkeys(wanted)
            if (role, agreement) not in held
        )
        token = secrets.token_hex(TOKEN_BYTES)
        session.add(
            SetupLink(
                token_sha256=sha256(token),
                person_id=person.id,
                expires_at_ms=now_ms + ttl_s * 1_000,
            ),
        )
        _act(session, now_ms, actor, "LINK_MADE", login, {"roles": list(wanted)})
    return f"/enter/{token}"


def _check_login(login: str, roles: tuple[str, ...]) -> None:
    if not LOGIN_PATTERN.fullmatch(login):
        raise InputError(
            "LOGIN_SHAPE",
            f"{login!r} is not a login",
            where=Where(field="login"),
            help="use lower-case letters, digits, dot, dash or underscore, at most 64",
        )
    unknown = sorted(set(roles) - set(ROLES) - {"bookkeeper"})
    if unknown:
        raise InputError(
            "ROLE_UNKNOWN",
            f"no such role: {', '.join(unknown)}",
            where=Where(field="roles"),
            help=f"the roles are {', '.join(ROLES)}",
        )


def link_person(session: Session, token: str, now_ms: int) -> Person:
    """Return whom an unused one-time link is for; LoginError LINK_SPENT otherwise."""
    link = session.get(SetupLink, sha256(token))
    person = session.get(Person, link.person_id) if link else None
    spent = link is None or link.used_at_ms is not None or link.expires_at_ms <= now_ms
    if spent or person is None or not person.active:
        raise LoginError(
            "LINK_SPENT",
            "this one-time link was used, has expired or never was",
            help="ask an operator for a new one (`kanhe login add` prints one)",
        )
    return person


def spend_link(session: Session, token: str, password: str | None, now_ms: int) -> Person:
    """Use a one-time link up; set the password where one is given."""
    person = link_person(session, token, now_ms)
    link = session.get_one(SetupLink, sha256(token))
    if password is not None:
        check_password(password)
        person.password_hash = _hasher().hash(password)
        # A new password ends what an old one opened.
        session.execute(delete(WebSession).where(WebSession.person_id == person.id))
    link.used_at_ms = now_ms
    person.failed_logins = 0
    person.locked_until_ms = None
    _act(session, now_ms, person.login, "LINK_USED", person.login)
    return person


def check_password(password: str) -> None:
    """Raise InputError PASSWORD_SHORT or PASSWORD_LONG."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InputError(
            "PASSWORD_SHORT",
            f"a password has at least {MIN_PASSWORD_LENGTH} characters",
            where=Where(field="password"),
            help="a sentence is easiest to remember",
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise InputError(
            "PASSWORD_LONG",
            f"a password has at most {MAX_PASSWORD_LENGTH} characters",
            where=Where(field="password"),
        )


# --------------------------------------------------------------------------- log-in
def log_in(
    sessions: sessionmaker[Session],
    login: str,
    password: str,
    now_ms: int,
    limits: Limits = Limits(),
) -> int:
    """Return the person's id; LoginError LOGIN_WRONG or LOGIN_LOCKED, counted and audited.

    Not one transaction that rolls back: a failed try must stay counted.
    """
    with sessions.begin() as session:
        person = session.scalar(select(Person).where(Person.login == login))
        if person is not None and (person.locked_until_ms or 0) > now_ms:
            verdict = "LOGIN_LOCKED"
        elif _password_holds(person, password):
            assert person is not None
            person.failed_logins = 0
            person.locked_until_ms = None
            _act(session, now_ms, person.login, "LOGGED_IN", person.login)
            return person.id
        else:
            verdict = "LOGIN_WRONG"
            if person is not None:
                _count_failure(session, person, now_ms, limits)
    if verdict == "LOGIN_LOCKED":
        raise LoginError(
            verdict,
            "too many wrong passwords: this person is locked for a while",
            help="wait a quarter of an hour or ask an operator for a one-time link",
        )
    raise LoginError(verdict, "login and password do not go together", help="try again")


def _password_holds(person: Person | None, password: str) -> bool:
    known = person is not None and person.active and person.password_hash is not None
    stored = str(person.password_hash) if known and person is not None else _nobody()
    try:
        _hasher().verify(stored, password[:MAX_PASSWORD_LENGTH])
    except (VerificationError, InvalidHashError):
        return False
    return known


def _count_failure(session: Session, person: Person, now_ms: int, limits: Limits) -> None:
    person.failed_logins += 1
    details = {"failed": str(person.failed_logins)}
    if person.failed_logins >= limits.max_failed:
        person.locked_until_ms = now_ms + limits.lock_ms
        person.failed_logins = 0
        _act(session, now_ms, "desk", "LOGIN_LOCKED", person.login, details)
    else:
        _act(session, now_ms, "desk", "LOGIN_FAILED", person.login, details)


def start_session(
    session: Session,
    person_id: int,
    now_ms: int,
    limits: Limits = Limits(),
) -> str:
    """Open a session for the person; return its token (kept only as a hash)."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(delete(WebSession).where(WebSession.expires_at_ms <= now_ms))
    session.add(
        WebSession(
            token_sha256=sha256(token),
            person_id=person_id,
            csrf_sha256=sha256(csrf_of(token)),
            created_at_ms=now_ms,
            seen_at_ms=now_ms,
            expires_at_ms=now_ms + limits.session_ms,
        ),
    )
    return token


def end_session(session: Session, token: str, now_ms: int, login: str) -> None:
    """Log out."""
    session.execute(delete(WebSession).where(WebSession.token_sha256 == sha256(token)))
    _act(session, now_ms, login, "LOGGED_OUT", login)


def who_of_session(
    sessions: sessionmaker[Session],
    token: str,
    now_ms: int,
    limits: Limits = Limits(),
) -> Who | None:
    """Return the person of a live session, or None; an idle or old session is none."""
    with sessions() as session:
        row = session.get(WebSession, sha256(token))
        if row is None or row.expires_at_ms <= now_ms or row.seen_at_ms + limits.idle_ms <= now_ms:
            return None
        person = session.get(Person, row.person_id)
        if person is None or not person.active:
            return None
        if row.seen_at_ms + TOUCH_MS <= now_ms:
            # Once a minute is enough to know who is idle and keeps reads free of writes.
            row.seen_at_ms = now_ms
            session.commit()
        return who_of_person(session, person, None, csrf_of(token))


# --------------------------------------------------------------------------- API tokens
def make_api_token(
    session: Session,
    person_id: int,
    label: str,
    roles: Iterable[str],
    now_ms: int,
    ttl_s: int | None = None,
) -> str:
    """Make a token for a program; it acts as the person, within these roles. Shown once."""
    token = f"kanhe_{secrets.token_hex(TOKEN_BYTES)}"
    person = session.get_one(Person, person_id)
    wanted = sorted(set(roles))
    _check_login(person.login, tuple(wanted))
    session.add(
        ApiToken(
            token_sha256=sha256(token),
            person_id=person_id,
            label=label,
            roles=wanted,
            created_at_ms=now_ms,
            expires_at_ms=None if ttl_s is None else now_ms + ttl_s * 1_000,
        ),
    )
    details = {"label": label, "roles": wanted}
    _act(session, now_ms, person.login, "TOKEN_MADE", person.login, details)
    return token


def who_of_token(sessions: sessionmaker[Session], token: str, now_ms: int) -> Who:
    """Return the person a token acts for; LoginError TOKEN_WRONG."""
    with sessions() as session:
        row = session.scalar(select(ApiToken).where(ApiToken.token_sha256 == sha256(token)))
        dead = row is None or row.revoked_at_ms is not None
        if row is None or dead or (row.expires_at_ms is not None and row.expires_at_ms <= now_ms):
            raise LoginError("TOKEN_WRONG", "this API token does not hold", help="make a new one")
        person = session.get(Person, row.person_id)
        if person is None or not person.active:
            raise LoginError("TOKEN_WRONG", "the token's person is no longer active")
        if (row.used_at_ms or 0) + TOUCH_MS <= now_ms:
            row.used_at_ms = now_ms
            session.commit()
        return who_of_person(session, person, frozenset(row.roles), "")


def who_of_person(
    session: Session, person: Person, within: frozenset[str] | None, csrf: str
) -> Who:
    """Return a person with the roles held, `within` those of a token where one is used."""
    held = session.execute(
        select(PersonRole.role, PersonRole.agreement).where(PersonRole.person_id == person.id),
    )
    # `bookkeeper` forbids, so a token's narrower roles never drop it.
    kept = frozenset(
        (role, scope)
        for role, scope in held
        if within is None or role in within or role == "bookkeeper"
    )
    return Who(person.id, person.login, person.display_name, person.language, kept, csrf)


def check_csrf(who: Who, given: str | None) -> None:
    """Raise AccessError CSRF unless the form carries the session's token."""
    if not who.csrf or not hmac.compare_digest(who.csrf.encode(), (given or "").encode()):
        raise AccessError(
            "CSRF",
            "this form does not belong to your session",
            help="load the page again and repeat the act",
        )
