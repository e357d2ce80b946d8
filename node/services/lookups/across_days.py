"""What a day's logs cannot show: one ticket, or entry, for which two days hold two elements.

Each node keeps to one element for each, but a second one may be evaluated on another day by nodes
that were not asked on the first. The regulator's node keeps what it audited, as long as the key
epoch is one that audits reach, and holds every day against the days before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from node.screening.auditing import Logged
from node.tables import AuditedEvaluation

AT_ONCE: Final = 500


def hold_against_other_days(
    session: Session, day: int, rows: Collection[Logged], *, openable_from: int
) -> Iterator[tuple[Logged, Logged]]:
    """Keep a day's evaluations, and yield each pair of two days that has two elements.

    The one that was audited first comes first. `openable_from` is the first key epoch that audits
    reach: what is older is forgotten.
    """
    session.execute(delete(AuditedEvaluation).where(AuditedEvaluation.key_epoch < openable_from))
    kept = [row for row in rows if row.key_epoch >= openable_from]
    for start in range(0, len(kept), AT_ONCE):
        part = kept[start : start + AT_ONCE]
        new = {hashlib.sha256(row.key).digest(): row for row in part}
        known = select(AuditedEvaluation).where(AuditedEvaluation.mark.in_(list(new)))
        for earlier in session.scalars(known).all():
            row = new.pop(earlier.mark)
            if earlier.blinded != row.blinded:
                yield _logged(earlier), row
        session.add_all(_audited(mark, day, row) for mark, row in new.items())


def _audited(mark: bytes, day: int, row: Logged) -> AuditedEvaluation:
    return AuditedEvaluation(
        mark=mark,
        day=day,
        reader=row.reader,
        ticket=row.ticket,
        subject=row.subject,
        blinded=row.blinded,
        key_epoch=row.key_epoch,
        level=row.level,
        signature=row.signature,
    )


def _logged(row: AuditedEvaluation) -> Logged:
    return Logged(
        row.reader,
        row.ticket,
        row.subject,
        row.blinded,
        row.key_epoch,
        row.level,
        row.signature,
    )
