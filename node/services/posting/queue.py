"""The queue of records that wait to be posted, and what already stands.

`(agreement, side, entry_ref, version)` is unique among valid batches and the queue: an entry that
stands with equal content queues nothing, one with other content is refused (ledger.md,
"Identity").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.agreements import last_closing
from node.bulk import insert_rows
from node.db import among
from node.services.posting.closing import wished
from node.services.posting.judging import IDS_AT_ONCE, SET_ASIDE
from node.services.posting.settled import CAME_AGAIN, settle_incidents
from node.services.posting.watermark import move_until, waiting_until
from node.tables import Intent, PostedEntry, QueuedRecord, StatedBalance
from reconcile.commitment.bulk import encode_records
from reconcile.commitment.records import decode_record, encode_record
from reconcile.commitment.validity import TRANSITIONS
from reconcile.model import (
    Decision,
    Entry,
    EntryStatus,
    InputError,
    SectionDigest,
    Side,
    Where,
    window_day,
    window_of,
)
from reconcile.terms import Terms

QUEUED: Final = "QUEUED"
SEALED: Final = "SEALED"
POSTED: Final = "POSTED"
ENTRY: Final = "ENTRY"
DECISION: Final = "DECISION"
SECTION_DIGEST: Final = "SECTION_DIGEST"
FROZEN_FIELDS: Final = ("amount_minor", "direction", "currency")
_OPEN_STATUSES: Final = frozenset({EntryStatus.PENDING, EntryStatus.TIMED_OUT})


class Place(NamedTuple):
    """One queued or standing version of an entry: its bytes and window."""

    record: bytes
    window: int


class Fresh(NamedTuple):
    """An entry to queue: its bytes, its window, its place in what was given."""

    entry: Entry
    record: bytes
    window: int
    at: int


def standing(
    session: Session, agreement: bytes, side: Side, refs: Iterable[str]
) -> dict[str, dict[int, Place]]:
    """Return every version that stands or waits, by ref; what is held or discarded does neither."""
    found: dict[str, dict[int, Place]] = {}
    wanted = sorted(set(refs))
    if not wanted:
        return found
    posted = select(
        PostedEntry.entry_ref, PostedEntry.version, PostedEntry.record, PostedEntry.window
    ).where(
        PostedEntry.agreement == agreement,
        PostedEntry.side == int(side),
        among(session, PostedEntry.entry_ref, wanted),
    )
    waiting = select(
        QueuedRecord.entry_ref, QueuedRecord.version, QueuedRecord.record, QueuedRecord.window
    ).where(
        QueuedRecord.agreement == agreement,
        QueuedRecord.side == int(side),
        among(session, QueuedRecord.entry_ref, wanted),
        QueuedRecord.state.not_in(SET_ASIDE),
    )
    for query in (posted, waiting):
        for ref, version, record, window in session.execute(query):
            assert ref is not None, "entries have a ref"
            assert version is not None, "entries have a version"
            found.setdefault(ref, {}).setdefault(version, Place(record, window))
    return found


def sort_out(
    entries: Sequence[Entry],
    stands: Mapping[str, Mapping[int, Place]],
    windows: Sequence[int],
    *,
    file: str | None,
    lines: Sequence[int] = (),
) -> tuple[list[Fresh], int]:
    """Return what is new and how many already stand; refuse conflicts before anything is kept.

    Raises `InputError` ENTRY_CONFLICT, ENTRY_VERSION_GAP or ENTRY_AMENDMENT.
    """

    def where(index: int) -> Where:
        return Where(file, lines[index] if index < len(lines) else None, "entry_ref")

    fresh: list[Fresh] = []
    already = 0
    seen: dict[str, dict[int, Place]] = {}
    for index, (entry, record) in enumerate(zip(entries, encode_records(entries), strict=True)):
        versions = seen.get(entry.entry_ref)
        if versions is None:
            versions = seen[entry.entry_ref] = dict(stands.get(entry.entry_ref, {}))
        known = versions.get(entry.version)
        if known is not None:
            if known.record != record:
                raise _conflict(entry, where(index), max(versions))
            already += 1
            continue
        window = windows[index]
        if entry.version or versions:
            window = _amendment_window(entry, versions, window, where(index))
        versions[entry.version] = Place(record, window)
        fresh.append(Fresh(entry, record, window, index))
    return fresh, already


def _conflict(entry: Entry, where: Where, highest: int) -> InputError:
    return InputError(
        "ENTRY_CONFLICT",
        f"entry {entry.entry_ref!r} version {entry.version} already stands with other content",
        where=where,
        help=f"send the change as version {highest + 1}, or correct the reference",
    )


def _amendment_window(
    entry: Entry, versions: Mapping[int, Place], window: int, where: Where
) -> int:
    """Check an amendment against its predecessor; return a window not below that one's."""
    before = versions.get(entry.version - 1)
    if before is None:
        raise InputError(
            "ENTRY_VERSION_GAP",
            f"entry {entry.entry_ref!r} comes as version {entry.version}, "
            f"but version {entry.version - 1} does not stand",
            where=where,
            help="versions of an entry go up by one, from 0",
        )
    old = decode_record(before.record)
    assert isinstance(old, Entry)
    if entry.status not in TRANSITIONS[old.status]:
        raise InputError(
            "ENTRY_AMENDMENT",
            f"entry {entry.entry_ref!r} cannot turn from {old.status.name} to {entry.status.name}",
            where=where,
            help="only what is pending or timed out becomes booked or void; post a reversal entry",
        )
    if old.status not in _OPEN_STATUSES:
        changed = [name for name in FROZEN_FIELDS if getattr(old, name) != getattr(entry, name)]
        if changed:
            raise InputError(
                "ENTRY_AMENDMENT",
                f"{', '.join(changed)} of the booked entry {entry.entry_ref!r} never change",
                where=where,
                help="post a reversal entry and the correct one",
            )
    return max(window, before.window)


def enqueue(
    session: Session,
    agreement: bytes,
    side: Side,
    fresh: Sequence[Fresh],
    *,
    file_id: int | None,
    now_ms: int,
    lines: Sequence[int] = (),
) -> None:
    """Put entries into the queue, in the order given.

    Held and discarded ones of the same reference and version give way.
    `lines` by place in what was given, where a file has them.
    """
    _give_way(session, agreement, side, fresh, now_ms)
    known = len(lines)
    rows: list[dict[str, Any]] = [
        {
            "agreement": agreement,
            "side": int(side),
            "window": item.window,
            "record_type": ENTRY,
            "entry_ref": item.entry.entry_ref,
            "version": item.entry.version,
            "record": item.record,
            "file_id": file_id,
            "line": lines[item.at] if item.at < known else None,
            "state": QUEUED,
            "seq": None,
            "queued_at_ms": now_ms,
        }
        for item in fresh
    ]
    insert_rows(session, QueuedRecord, rows)


def _give_way(
    session: Session, agreement: bytes, side: Side, fresh: Sequence[Fresh], now_ms: int
) -> None:
    """Remove held and discarded records that come again: they count as not posted."""
    held = session.execute(
        select(
            QueuedRecord.id, QueuedRecord.entry_ref, QueuedRecord.version, QueuedRecord.seq
        ).where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.state.in_(SET_ASIDE),
            QueuedRecord.entry_ref.is_not(None),
        )
    ).all()
    if not held:
        return
    coming = {(item.entry.entry_ref, item.entry.version) for item in fresh}
    given_way = [row for row in held if (row.entry_ref, row.version) in coming]
    gone = [row.id for row in given_way]
    for some in range(0, len(gone), IDS_AT_ONCE):
        session.execute(
            delete(QueuedRecord).where(QueuedRecord.id.in_(gone[some : some + IDS_AT_ONCE]))
        )
    seqs = {row.seq for row in given_way}
    settle_incidents(session, agreement, side, seqs, words=CAME_AGAIN, now_ms=now_ms)


def enqueue_other(
    session: Session,
    agreement: bytes,
    side: Side,
    record: Decision | SectionDigest,
    *,
    window: int,
    now_ms: int,
) -> bool:
    """Queue a decision or section digest; False when the same bytes are queued or posted."""
    data = encode_record(record)
    kind = DECISION if isinstance(record, Decision) else SECTION_DIGEST
    found = session.scalars(
        select(QueuedRecord).where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == side,
            QueuedRecord.record_type == kind,
            QueuedRecord.entry_ref.is_(None),
            QueuedRecord.record == data,
        )
    ).first()
    if found is not None:
        if found.state not in SET_ASIDE:
            return False
        held_in, found.state, found.window, found.seq = {found.seq}, QUEUED, window, None
        settle_incidents(session, agreement, side, held_in, words=CAME_AGAIN, now_ms=now_ms)
        return True
    session.add(
        QueuedRecord(
            agreement=agreement,
            side=int(side),
            window=window,
            record_type=kind,
            record=data,
            state=QUEUED,
            queued_at_ms=now_ms,
        )
    )
    return True


def lowest_open_window(session: Session, agreement: bytes, side: Side, terms: Terms) -> int:
    """Return the lowest window this side may still post to.

    After a closing (also one that is on its way) the next business day's window takes what comes
    late; before the opening position is closed that is window 0 itself.
    """
    closed = closed_or_closing(session, agreement, side)
    if closed is None:
        return 0
    return window_after(closed, terms)


def window_after(closed: int, terms: Terms) -> int:
    """Return the window that takes what comes after a closing."""
    if closed == 0:
        return 1
    return window_of(terms.common_calendar.add(window_day(closed), 1))


def move_late(session: Session, agreement: bytes, side: Side, terms: Terms) -> None:
    """Let what waits for a window that is closed by now wait for the next one.

    The counterparty may close a silent side by default while its batch is on the way; sealed for
    the same window again it would be refused for ever. A balance of a closed window waits no
    longer: nobody can state it any more (seq 0: no batch carries it).
    """
    closing = last_closing(session, agreement, side)
    if closing is None:
        return
    after = window_after(closing.window, terms)
    session.execute(
        update(QueuedRecord)
        .where(
            QueuedRecord.agreement == agreement,
            QueuedRecord.side == int(side),
            QueuedRecord.state == QUEUED,
            QueuedRecord.window <= closing.window,
        )
        .values(window=after)
    )
    session.execute(
        update(StatedBalance)
        .where(
            StatedBalance.agreement == agreement,
            StatedBalance.side == int(side),
            StatedBalance.seq.is_(None),
            StatedBalance.window <= closing.window,
        )
        .values(seq=0)
    )
    mark = waiting_until(session, agreement, side)
    if mark is not None and mark.window <= closing.window:
        move_until(session, agreement, side, after)


def closed_or_closing(session: Session, agreement: bytes, side: Side) -> int | None:
    """Return the highest window this side closed or has asked to close, None for none."""
    row = last_closing(session, agreement, side)
    asked = session.execute(
        select(Intent.window)
        .where(
            Intent.agreement == agreement,
            Intent.side == int(side),
            Intent.kind == "close",
            Intent.state != "REFUSED",
        )
        .order_by(Intent.window.desc())
        .limit(1)
    ).scalar_one_or_none()
    known = {*wished(session, agreement, side), asked, None if row is None else row.window}
    return max((item for item in known if item is not None), default=None)
