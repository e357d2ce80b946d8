"""Work that fails rests and is shown; other work goes on."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import select

from node.attempts import FIRST_PAUSE_MS, MAX_PAUSE_MS, Attempts
from node.db import Database
from node.errors import ChainError
from node.tables import Incident
from reconcile.model import ProtocolError

AGREEMENT = bytes(range(32))
ACCOUNT = "6222-0000-9999"


class Clock:
    """A clock that a test moves."""

    now_ms = 1_000_000

    def __call__(self) -> int:
        """Return the moment."""
        return self.now_ms


def incidents(database: Database) -> list[Incident]:
    """Return every incident."""
    with database.reading() as session:
        return list(session.scalars(select(Incident).order_by(Incident.id)))


def broken() -> int:
    """Fail as a program does, quoting what it worked on."""
    raise ValueError(ACCOUNT)


def test_a_fault_is_an_incident_without_its_words(database: Database) -> None:
    """The kind and place of the fault are kept, an account it quotes is not."""
    attempts = Attempts(database, Clock())
    assert attempts.run("match", broken, agreement=AGREEMENT) == 0
    row = incidents(database)[0]
    assert (row.kind, row.agreement, row.stops_signing) == ("WORK_FAILED", AGREEMENT, False)
    assert "match failed: ValueError" in row.says
    assert row.evidence["places"][0].startswith("node/attempts.py:")
    assert ACCOUNT not in row.says + str(row.evidence) + row.fingerprint


def test_it_is_tried_again_with_growing_pauses(database: Database) -> None:
    """Within its pause it is not tried; the pause doubles up to five minutes; one incident."""
    clock = Clock()
    attempts = Attempts(database, clock)
    tried: list[int] = []

    def work() -> int:
        tried.append(clock.now_ms)
        raise ZeroDivisionError

    for _ in range(4_000):
        attempts.run("match", work)
        clock.now_ms += 500
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses[:3] == [FIRST_PAUSE_MS, 2 * FIRST_PAUSE_MS, 4 * FIRST_PAUSE_MS]
    assert max(pauses) == MAX_PAUSE_MS
    assert len(incidents(database)) == 1
    assert incidents(database)[0].evidence["times"] == str(len(tried))


def test_other_work_goes_on(database: Database) -> None:
    """Another agreement, and other work of the same one, are not held up."""
    attempts = Attempts(database, Clock())
    attempts.run("match", broken, agreement=AGREEMENT)
    assert attempts.run("match", lambda: 7, agreement=bytes(32)) == 7
    assert attempts.run("seal", lambda: 8, agreement=AGREEMENT) == 8
    assert attempts.run("match", lambda: 9, agreement=AGREEMENT) == 0


def test_what_goes_through_again_closes_its_incident(database: Database) -> None:
    """After its pause, and after a restart too, success closes the incident and says so."""
    clock = Clock()
    attempts = Attempts(database, clock)
    attempts.run("match", broken, agreement=AGREEMENT)
    clock.now_ms += FIRST_PAUSE_MS
    assert attempts.run("match", lambda: 1, agreement=AGREEMENT) == 1
    assert incidents(database)[0].closed_reason == "it went through by itself, after 1 failures"
    clock.now_ms += 1
    attempts.run("match", broken, agreement=AGREEMENT)
    assert [row.closed_at_ms is None for row in incidents(database)] == [False, True]
    assert Attempts(database, clock).run("match", lambda: 1, agreement=AGREEMENT) == 1
    assert [row.closed_at_ms is None for row in incidents(database)] == [False, False]


def test_a_refusal_rests_and_the_outside_world_is_the_turns(database: Database) -> None:
    """A refusal is kept by its code; a chain that does not answer is raised to the turn."""

    def refuse() -> int:
        raise ProtocolError("TERMS_NOT_OPENED", f"terms of {ACCOUNT}")

    def stalled() -> int:
        raise ChainError("no answer", code="CHAIN_UNREACHABLE")

    attempts = Attempts(database, Clock())
    assert attempts.run("match", refuse) == 0
    assert "TERMS_NOT_OPENED" in incidents(database)[0].says
    assert ACCOUNT not in incidents(database)[0].says
    with pytest.raises(ChainError):
        attempts.run("seal", stalled)
    assert len(incidents(database)) == 1
