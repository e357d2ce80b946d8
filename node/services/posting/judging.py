"""An own batch is judged before it is sent, by the function that judges it once it is posted.

What it would exclude is not sent but held, with the verdict, until a person has looked: a record
that can never count would otherwise be posted and excluded again and again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from node.db import among
from node.projections.reading import EarlierRows
from node.tables import Incident, QueuedRecord
from reconcile.commitment.header import PlainBatch
from reconcile.commitment.heads import BatchPlace
from reconcile.commitment.records import decode_record
from reconcile.commitment.validity import BatchRules, Known, Reason, Validity, judge_batch
from reconcile.model import Entry

HELD: Final = "HELD"
DISCARDED: Final = "DISCARDED"
# Neither waits nor stands: the same reference and version may come again, with other content.
SET_ASIDE: Final = (HELD, DISCARDED)
# So many parameters a statement takes on every database.
IDS_AT_ONCE: Final = 1_000
SEALED: Final = "SEALED"
REFUSED: Final = "OWN_RECORDS_REFUSED"
# (session, agreement, window) → what the terms in force say, None where they are not open here.
RulesOf = Callable[[Session, bytes, int], BatchRules | None]


@dataclass(frozen=True, slots=True)
class OwnEarlier:
    """The side's valid batches, and its sealed ones that are on their way.

    `only`: refs that can have earlier versions, None for any. An import holds first versions
    against everything that stands, so asking again for each would cost more than sealing it.
    """

    session: Session
    agreement: bytes
    side: int
    only: frozenset[str] | None = None

    @property
    def generation(self) -> int:
        """Return the highest generation of a valid batch."""
        return EarlierRows(self.session, self.agreement, self.side).generation

    def versions(self, entry_refs: Collection[str]) -> Mapping[str, tuple[Known, ...]]:
        """Return the versions of each ref that stand or are about to, ascending."""
        if self.only is not None:
            entry_refs = self.only & set(entry_refs)
        rows = EarlierRows(self.session, self.agreement, self.side).versions(entry_refs)
        found = {ref: {item.version: item for item in known} for ref, known in rows.items()}
        if entry_refs:
            sealed = self.session.execute(
                select(QueuedRecord.record, QueuedRecord.window).where(
                    QueuedRecord.agreement == self.agreement,
                    QueuedRecord.side == self.side,
                    among(self.session, QueuedRecord.entry_ref, sorted(entry_refs)),
                    QueuedRecord.state == SEALED,
                )
            )
            for data, window in sealed:
                entry = decode_record(data)
                assert isinstance(entry, Entry), "only entries have a ref"
                known = Known.of(entry, data, window)
                found.setdefault(entry.entry_ref, {}).setdefault(entry.version, known)
        return {
            ref: tuple(versions[number] for number in sorted(versions))
            for ref, versions in found.items()
        }


def judge_own(
    session: Session,
    plain: PlainBatch,
    place: BatchPlace,
    rules: BatchRules | None,
    *,
    again: bool,
) -> Validity:
    """Judge a batch before it is sealed; without rules (terms not open here) it cannot be.

    `again`: it holds records that were held before, so nothing is taken for granted.
    """
    if rules is None:
        return Validity(None)
    amended = frozenset(entry.entry_ref for entry in plain.entries if entry.version)
    only = None if again else amended
    earlier = OwnEarlier(session, plain.header.agreement, int(plain.header.side), only)
    return judge_batch(plain, place, rules, earlier)


def hold(
    session: Session,
    plain: PlainBatch,
    row_ids: Sequence[int],
    verdict: Validity,
    rules: BatchRules | None,
    *,
    now_ms: int,
) -> int:
    """Hold the records that a verdict speaks of, and open an incident; return how many.

    `row_ids` are the queue's rows in the order of the batch. A verdict on one record holds that
    one; one on the whole batch holds all of it, or what is in a currency the terms do not name.
    """
    assert verdict.reason is not None, "a valid batch is sent"
    if verdict.at:
        chosen = [row_ids[verdict.at - 1]]
    else:
        chosen = _of_wrong_currency(plain, row_ids, verdict, rules) or list(row_ids)
    says = f"{verdict.reason}: {verdict.says}"
    for start in range(0, len(chosen), IDS_AT_ONCE):
        session.execute(
            update(QueuedRecord)
            .where(QueuedRecord.id.in_(chosen[start : start + IDS_AT_ONCE]))
            .values(state=HELD, seq=None, held_reason=says)
        )
    _report(session, plain, verdict, says, chosen, now_ms)
    return len(chosen)


def _of_wrong_currency(
    plain: PlainBatch, row_ids: Sequence[int], verdict: Validity, rules: BatchRules | None
) -> list[int]:
    if verdict.reason is not Reason.CURRENCY_NOT_AGREED or rules is None:
        return []
    agreed = rules.currencies or frozenset()
    return [
        row_id
        for row_id, record in zip(row_ids, plain.records, strict=True)
        if isinstance(record, Entry) and record.currency not in agreed
    ]


def _report(
    session: Session,
    plain: PlainBatch,
    verdict: Validity,
    says: str,
    chosen: Sequence[int],
    now_ms: int,
) -> None:
    """Open an incident, unless one with this verdict is open for the side."""
    header = plain.header
    # What was held is in the evidence by row, never by reference: a reference may be personal.
    word = hashlib.sha256(says.encode()).hexdigest()[:16]
    place = f"{header.agreement.hex()}/{int(header.side)}/{word}"
    standing = session.scalar(
        select(Incident.id).where(
            Incident.kind == REFUSED,
            Incident.fingerprint.startswith(f"{REFUSED}/{place}", autoescape=True),
            Incident.closed_at_ms.is_(None),
        )
    )
    if standing is not None:
        return
    session.add(
        Incident(
            kind=REFUSED,
            fingerprint=f"{REFUSED}/{place}/{chosen[0]}/{now_ms}",
            agreement=header.agreement,
            side=int(header.side),
            seq=None,
            says=f"records of ours would not count ({verdict.reason}) and were not sent: "
            "`kanhe outbox list` shows them, `kanhe outbox release` tries them again.",
            evidence={"reason": str(verdict.reason), "rows": [str(item) for item in chosen[:64]]},
            stops_signing=False,
            opened_at_ms=now_ms,
        )
    )
