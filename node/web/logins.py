"""The people of a node as the command line names them: who a login is, a list, an end."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from node.acts import record_act
from node.tables import ApiToken, Person, PersonRole, WebSession
from node.web.access import AccessError, Who
from node.web.auth import who_of_person

HOW_TO_ADD = (
    "`kanhe login list` shows who may act, `kanhe login add NAME --role ROLE` adds a person"
)


@dataclass(frozen=True, slots=True)
class LoginRow:
    """A person with roles; `entered`: a password was set. `roles` as in `Who`, sorted."""

    login: str
    name: str
    active: bool
    entered: bool
    roles: tuple[tuple[str, bytes | None], ...]


def login_rows(sessions: sessionmaker[Session]) -> tuple[LoginRow, ...]:
    """Return everybody who holds a role, by login."""
    roles: dict[int, list[tuple[str, bytes | None]]] = {}
    with sessions() as session:
        for row in session.scalars(select(PersonRole)):
            roles.setdefault(row.person_id, []).append((row.role, row.agreement))
        return tuple(
            LoginRow(
                person.login,
                person.display_name,
                person.active,
                person.password_hash is not None,
                tuple(sorted(roles[person.id], key=lambda held: (held[0], held[1] or b""))),
            )
            for person in session.scalars(select(Person).order_by(Person.login))
            if person.id in roles
        )


def who_of_login(sessions: sessionmaker[Session], login: str) -> Who:
    """Return the person whom a login names; AccessError LOGIN_UNKNOWN or LOGIN_CLOSED.

    Nothing is proven: whoever calls says who acts.
    """
    with sessions() as session:
        return who_of_person(session, _person(session, login), None, "")


def require_open(sessions: sessionmaker[Session], login: str) -> None:
    """Refuse a login that was closed: it names one person for ever; AccessError LOGIN_CLOSED."""
    with sessions() as session:
        row = session.scalar(select(Person).where(Person.login == login))
        if row is not None and not row.active:
            raise _closed(login)


def close_login(sessions: sessionmaker[Session], login: str, *, actor: str, now_ms: int) -> None:
    """Let a login act no more: its sessions end and its API tokens hold no longer.

    Raises AccessError LOGIN_UNKNOWN or LOGIN_CLOSED.
    """
    with sessions.begin() as session:
        person = _person(session, login)
        person.active = False
        session.execute(delete(WebSession).where(WebSession.person_id == person.id))
        for token in session.scalars(select(ApiToken).where(ApiToken.person_id == person.id)):
            token.revoked_at_ms = token.revoked_at_ms or now_ms
        record_act(
            session, actor=actor, act="LOGIN_CLOSED", subject=f"person/{login}", now_ms=now_ms
        )


def _person(session: Session, login: str) -> Person:
    person = session.scalar(select(Person).where(Person.login == login))
    if person is None:
        raise AccessError("LOGIN_UNKNOWN", f"{login!r} is no login of this node", help=HOW_TO_ADD)
    if not person.active:
        raise _closed(login)
    return person


def _closed(login: str) -> AccessError:
    return AccessError("LOGIN_CLOSED", f"the login {login!r} was closed", help=HOW_TO_ADD)
