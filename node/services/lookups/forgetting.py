"""What becomes of a lookup by itself once an entry that it found is erased and its receipt reduced.

An audit opens identifier, blind and consent: one begins in the lookup's key epoch or the next, and
lasts some days. After that whom the lookup concerned is destroyed. With it go this reader's
other receipts of the person in that key epoch: each gives T, and T opens the erased entry's record
wherever another person's receipt still shows the bucket in which it lay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, undefer

from node.audits import final_read
from node.blacklist import Now, current_key_epoch, now_of, openable_from
from node.db import overwriting
from node.kept_receipts import REDUCED, UNREAD, WHOLE, note_entries, reduce_receipt
from node.screening.identifiers import Identifier
from node.screening.states import AUDIT_S, LAPSE_S
from node.services.lookups.consenting import forget_person, identifier_of
from node.services.lookups.false_records import FalseRecordActs
from node.tables import EvaluationAudit, OwnLookup
from node.telemetry import logger

#: Receipts of an earlier release that one turn reads.
READ_A_TURN: Final = 200
#: Rows that are read at once where a person's other lookups are looked for.
READ_AT_ONCE: Final = 1_000
# Prepared once: it is asked in every turn.
_KEPT: Final = select(
    *(exists(select(OwnLookup.id).where(OwnLookup.kept == word)) for word in (UNREAD, REDUCED))
)
_OTHERS: Final = aliased(OwnLookup)
_log = logger("lookups")


class ForgettingActs(FalseRecordActs):
    """Work of each turn, on what lookups keep."""

    # A start empties the log once: the last process may have died before it did.
    _destroyed = True

    def react(self) -> int:
        """Do what happens by itself; return how much was done."""
        attempts = self._doors.attempts
        with self._doors.reading() as session:
            row = session.execute(_KEPT).one()
            unread, reduced = bool(row[0]), bool(row[1])
            over = reduced and session.scalars(_over(session).limit(1)).first() is not None
        done = attempts.run("read receipts", self._read_receipts) if unread else 0
        if over:
            done += attempts.run("forget who was looked up", self._forget)
        attempts.run("empty the log of lookups", self._empty_log)
        return done

    def _read_receipts(self) -> int:
        with self._doors.writing() as session:
            return note_entries(session, self._ring, limit=READ_A_TURN)

    def _forget(self) -> int:
        """Destroy whom lookups concerned that no audit may open any more; return how many.

        First it is noted from when on that is: an audit may have begun in the last moment.
        """
        with self._doors.writing() as session:
            found = session.scalars(_over(session)).all()
            rows = [row for row in found if row.forget_from_s is not None]
            for row in found:
                if row.forget_from_s is None:
                    row.forget_from_s = _forget_from_s(session, row)
            if not rows:
                return len(found)
            with overwriting(session):
                others = self._reduce_others(session, rows)
                for row in (*rows, *others):
                    forget_person(self._ring, row)
                    self._doors.act(session, "node", "lookup-forget", str(row.id))
            self._destroyed = True
        _log.info("forgot who was looked up", lookups=len(rows), others=len(others))
        self._empty_log()
        return len(rows)

    def _reduce_others(self, session: Session, rows: Sequence[OwnLookup]) -> list[OwnLookup]:
        """Reduce the other receipts of these people in the same key epochs; return their rows."""
        people: dict[int, dict[Identifier, bytes]] = defaultdict(dict)
        for row in rows:
            assert row.key_epoch is not None, "it was looked up"
            assert row.destroyed_for is not None, "its receipt was reduced"
            people[row.key_epoch].setdefault(identifier_of(self._ring, row), row.destroyed_for)
        found = []
        now_ms = self._doors.identity.clock()
        signer = self._doors.identity.keys.approver
        for key_epoch, erased in people.items():
            others = session.scalars(
                select(OwnLookup)
                .where(OwnLookup.key_epoch == key_epoch, OwnLookup.kept.in_((WHOLE, UNREAD)))
                .execution_options(yield_per=READ_AT_ONCE)
            )
            theirs = [
                (other.id, erased[who])
                for other in others
                if (who := identifier_of(self._ring, other)) in erased
            ]
            for lookup, entry in theirs:
                other = session.get_one(OwnLookup, lookup, options=[undefer(OwnLookup.receipt)])
                reduce_receipt(session, self._ring, signer, other, entry, now_ms=now_ms)
                found.append(other)
        return found

    def _empty_log(self) -> int:
        """Empty the database's own log of what was destroyed; a reader may hold it for a while."""
        if self._destroyed and self._doors.database.empty_log():
            self._destroyed = False
        return 0


def _forget_from_s(session: Session, row: OwnLookup) -> int:
    """Return from when on no audit of a lookup's key epoch runs, as it was noted before, or now."""
    noted = select(func.min(OwnLookup.forget_from_s)).where(OwnLookup.key_epoch == row.key_epoch)
    return session.scalar(noted) or now_of(session).time_s + AUDIT_S


def _over(session: Session) -> Select[OwnLookup]:
    """Return reduced lookups of which no audit begins any more, by what is final."""
    final = final_read(session) or Now(0, 0)
    before = openable_from(current_key_epoch(session, final))
    ends = OwnLookup.forget_from_s
    # Of the key epoch, not of the lookup alone: a person's other lookups go with it.
    audited = exists().where(
        EvaluationAudit.outcome.is_(None),
        EvaluationAudit.key_epoch == OwnLookup.key_epoch,
        EvaluationAudit.block_time_s >= final.time_s - LAPSE_S,
        EvaluationAudit.ticket.in_(select(_OTHERS.ticket)),
    )
    return select(OwnLookup).where(
        OwnLookup.kept == REDUCED,
        OwnLookup.key_epoch < before,
        or_(ends.is_(None), ends <= final.time_s),
        ~audited,
    )
