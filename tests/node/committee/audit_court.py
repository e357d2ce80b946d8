"""A day of the town that is over, and what tests of audits on the ledger do with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import delete, insert, select

from node.errors import Conflict
from node.screening.states import DAY_S
from node.services.lookups import AuditView
from node.services.lookups.auditing import AuditingService
from node.tables import Incident, OwnLookup

READER, UPLOADER = 1, 2
Row = dict[str, Any]


@dataclass
class Court:
    """The town with a day that is over, in which the reader looked people up."""

    town: Town
    day: int
    tickets: list[int]
    gone: list[Row] = field(default_factory=list)

    def wake(self) -> None:
        """Let every node ask and show again at once."""
        for node in self.town.nodes.values():
            node.parts.audits._rests.clear()
            node.parts.audits._shows.clear()

    def settle(self) -> None:
        """Let the town come to rest, and once more with everybody awake."""
        for _ in range(2):
            self.wake()
            self.town.settle()

    def pass_s(self, seconds: int) -> None:
        """Let time go by, nobody resting."""
        self.wake()
        self.town.pass_s(seconds)
        self.settle()

    def audit(self) -> None:
        """Audit everything of the day; what is not opened goes to the ledger."""
        service = self.town.node(OUTSIDER).parts.audits
        service._allow_test = True
        service.audit(self.day, one_of=1)
        self.settle()

    def views(self, at: int = OUTSIDER) -> dict[int, AuditView]:
        """Return the audits of this day's tickets as a node sees them."""
        found = self.town.node(at).parts.audits.audits(limit=500).audits
        return {one.ticket: one for one in found if one.ticket in self.tickets}

    def state(self, ticket: int, at: int = OUTSIDER) -> str:
        """Return where a ticket's audit stands."""
        found = self.views(at).get(ticket)
        return "NONE" if found is None else found.state

    def lose(self, tickets: list[int]) -> list[Row]:
        """Take the reader's rows of these lookups away, as a lost database would."""
        with self.town.node(READER).sessions.begin() as session:
            table = OwnLookup.__table__
            which = table.c.ticket.in_(tickets)
            rows = [dict(row) for row in session.execute(select(table).where(which)).mappings()]
            session.execute(delete(table).where(which))
        self.gone += rows
        return rows

    def bring_back(self, rows: list[Row]) -> None:
        """Put rows back, as a copy of the database would."""
        with self.town.node(READER).sessions.begin() as session:
            session.execute(insert(OwnLookup), rows)
        self.gone = [row for row in self.gone if row not in rows]

    def close(self) -> None:
        """Put back what is lost: a ticket without its row would be taken for a free one."""
        if self.gone:
            self.bring_back(self.gone)
        self.settle()

    def restart(self, member: int) -> None:
        """End a member's node as a crash would, and serve its home again."""
        town = self.town
        town.stops[member].set()
        town.threads[member].join(20)
        town.reopen(member)
        town.serve(member)
        town.introduce()

    def points(self, member: int = READER) -> int:
        """Return a member's points with its stakes, less what it owes."""
        account = self.town.node(member).screening.points(member).account
        return account.balance - account.debt

    def incidents(self, member: int, kind: str, *, still: bool = True) -> list[Incident]:
        """Return a node's incidents of a kind."""
        found = select(Incident).where(Incident.kind == kind)
        if still:
            found = found.where(Incident.closed_at_ms.is_(None))
        with self.town.node(member).sessions() as session:
            return list(session.scalars(found))


def open_court(town: Town) -> Court:
    """A day with two lookups of the reader's that is over and anchored."""
    for node in town.nodes.values():
        with suppress(Conflict):
            node.screening.claim_allowance()
    town.settle()
    for serial in (1, 3):
        town.found(READER, serial)
    with town.node(READER).sessions() as session:
        newest = select(OwnLookup.ticket).order_by(OwnLookup.id.desc()).limit(2)
        tickets = [ticket for ticket in session.scalars(newest) if ticket is not None]
    day = town.time_s() // DAY_S
    town.pass_s(DAY_S)
    return Court(town, day, sorted(tickets))


@contextmanager
def silenced(service: AuditingService, *names: str) -> Iterator[None]:
    """Let a node do some of what it does by itself not at all."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(service, name, lambda *_args: 0)
        yield
