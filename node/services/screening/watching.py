"""What the ledger moved since custodies, or what was erased, were last looked through."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.blacklist import Now
from node.screening.states import DAY_S
from node.tables import BlacklistFact, RecordedConsent
from node.tables.tip import tip_of

BytesColumn = InstrumentedAttribute[bytes] | ColumnElement[bytes]


class Watch:
    """From which block on the ledger may have ended a custody; at a start, and each day, any may.

    Of a million custodies a turn then looks at those alone whose entry or consent moved. So it is
    of entries of which something is held here, and which their uploaders erased.
    """

    def __init__(self) -> None:
        """Begin with nothing looked at."""
        self._block, self._day = -1, -1
        self._changes = self._asked = 0

    def look_again(self) -> None:
        """Look at everything with the next turn: what is held has changed, and is committed."""
        self._changes += 1
        self._day = -1

    def touched(
        self, now: Now, entry: BytesColumn, consent: BytesColumn | None = None
    ) -> ColumnElement[bool]:
        """Say of a row whether it is to be looked at."""
        self._asked = self._changes
        if self._day != now.time_s // DAY_S:
            return true()
        facts = select(BlacklistFact.entry).where(BlacklistFact.block_number > self._block)
        if consent is None:
            return entry.in_(facts)
        revoked = select(RecordedConsent.consent).where(RecordedConsent.revoked_block > self._block)
        return or_(entry.in_(facts), consent.in_(revoked))

    def looked(self, session: Session, now: Now) -> None:
        """Note that everything touched was looked at; what is not final yet is so again."""
        if self._asked != self._changes:
            # More came to be held since the question.
            return
        cursor = tip_of(session)
        self._block = -1 if cursor is None else cursor.final_block
        self._day = now.time_s // DAY_S
