"""The screening service: every write is one SQL transaction with its intents and its audit row."""

from __future__ import annotations

import functools
from collections.abc import Callable

from sqlalchemy.orm import Session

from node.blacklist import Now
from node.identity import address_bytes
from node.services.screening.erasing import ErasingActs
from node.services.screening.facing import FacingActs
from node.services.screening.importing import ImportActs
from node.services.screening.points import PointActs
from node.services.screening.reading import ReadingActs
from node.services.screening.settling import SettlingActs
from node.services.screening.stating import StatingActs
from node.services.screening.tracing import TracingActs
from node.tables import Member, MemberKey

_ACTIVE = "ACTIVE"
Due = Callable[[Session, int, Now], int]


class ScreeningService(
    StatingActs,
    ImportActs,
    FacingActs,
    ErasingActs,
    PointActs,
    TracingActs,
    ReadingActs,
    SettlingActs,
):
    """Entries, disputes, points, recalls and erasure of one node."""

    def react(self) -> int:
        """Do what happens by itself: tags, vesting, votes, draws, settling, erasure.

        Each in a transaction of its own: what fails takes nothing of the others back.
        """
        if not self._identity.place.blacklist or not self._may_send():
            return 0
        works: dict[str, Due] = {
            "tag entries": self._tag_due,
            "vest stakes": self._vest_due,
            "move disputes": self._move_disputes,
            "erase entries": self._erasures_due,
        }
        done = 0
        for name, work in works.items():
            done += self._attempts.run(name, functools.partial(self._work, work))
        self._attempts.run("empty the log", self._empty_log)
        return done

    def _work(self, work: Due) -> int:
        with self._writing() as session:
            member = self._identity.member(session)
            return 0 if member is None else work(session, member, self._now(session))

    def _may_send(self) -> bool:
        """Say whether we are an active member whose poster key counts."""
        with self._reading() as session:
            member = self._identity.member(session)
            if member is None:
                return False
            row = session.get(Member, member)
            key = session.get(MemberKey, address_bytes(self._identity.keys.poster))
            usable = key is not None and key.state == _ACTIVE and key.role == "POSTER"
            return usable and row is not None and row.state == _ACTIVE
