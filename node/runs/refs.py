"""Where each entry went in a run, as blocks of references, and what moved since as parts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from node.tables import MatchRun, RunRefBlock, RunRefPart
from reconcile.matching.groups import Groups
from reconcile.model import Break, Side

REFS_A_BLOCK: Final = 512
BLOCKS_AT_ONCE: Final = 64
# So few are looked up one by one: a large run has thousands of blocks.
FEW_REFS: Final = 8


class Went(NamedTuple):
    """Where an entry went in a run: one of a group's number and a break's."""

    ref: str
    group: int | None
    broken: int | None

    @property
    def somewhere(self) -> bool:
        """Say whether it is in a group or a break: an entry that turned void is in neither."""
        return self.group is not None or self.broken is not None


_encode: Final = msgspec.msgpack.Encoder().encode
_refs: Final = msgspec.msgpack.Decoder(list[Went]).decode


# --------------------------------------------------------------------------------- writing
def ref_blocks(run_id: int, groups: Groups, breaks: Sequence[Break]) -> Iterator[dict[str, Any]]:
    """Return the rows that say where each entry went; a group counts before a break."""
    for side in Side:
        went: dict[str, tuple[int | None, int | None]] = {}
        for number, broken in enumerate(breaks):
            place = (None, number)
            for ref in (broken.servicer, broken.owner)[side]:
                went[ref] = place
        for number, (_, servicer, owner, _, _) in enumerate(groups.rows(0, len(groups))):
            found = (number, None)
            for ref in (servicer, owner)[side]:
                went[ref] = found
        for row, _ in _ref_rows(
            run_id, side, {ref: Went(ref, *place) for ref, place in went.items()}
        ):
            yield row


def _ref_rows(
    run_id: int, side: Side, went: Mapping[str, Went]
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the rows of some references, each with those that stand in it."""
    # Characters in order are UTF-8 bytes in order.
    ordered = sorted(went)
    for first in range(0, len(ordered), REFS_A_BLOCK):
        part = ordered[first : first + REFS_A_BLOCK]
        body = _encode([went[ref] for ref in part])
        yield (
            {"run_id": run_id, "side": int(side), "first_ref": part[0].encode(), "body": body},
            part,
        )


def next_ref_part(
    session: Session, run_id: int, went: Sequence[Mapping[str, tuple[int | None, int | None]]]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the part that takes these entries, and its blocks.

    Later parts are taken into it while they are no larger than what it holds, so that there are
    few: the caller deletes those from its number on.
    """
    parts = session.execute(
        select(RunRefPart.part, func.sum(RunRefPart.ref_count))
        .where(RunRefPart.run_id == run_id)
        .group_by(RunRefPart.part)
        .order_by(RunRefPart.part.desc())
    ).all()
    taken, count = 0, sum(map(len, went))
    for _, held in parts:
        if held > 2 * count:
            break
        taken, count = taken + 1, count + held
    number = parts[taken - 1].part if taken else (parts[0].part + 1 if parts else 0)
    rows: list[dict[str, Any]] = []
    for side in Side:
        found = _part_refs(session, run_id, side, number) if taken else {}
        found |= {ref: Went(ref, *place) for ref, place in went[side].items()}
        rows += [
            {**row, "part": number, "ref_count": len(part)}
            for row, part in _ref_rows(run_id, side, found)
        ]
    return number, rows


def _part_refs(session: Session, run_id: int, side: Side, first_part: int) -> dict[str, Went]:
    """Return what the parts from one on say of a side."""
    rows = session.execute(
        select(RunRefPart.body)
        .where(
            RunRefPart.run_id == run_id,
            RunRefPart.side == int(side),
            RunRefPart.part >= first_part,
        )
        .order_by(RunRefPart.part)
    ).scalars()
    return {item.ref: item for body in rows for item in _refs(body)}


# --------------------------------------------------------------------------------- reading
def where_went(session: Session, run_id: int, side: Side, refs: Iterable[str]) -> dict[str, Went]:
    """Return where these entries went in a run; those that it does not know are left out."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    found = _moved(session, run_id, side, wanted)
    rest = [ref for ref in wanted if ref not in found]
    by_block = _by_block(_firsts(session, run_id, side, rest), rest)
    needed = list(by_block)
    for start in range(0, len(needed), BLOCKS_AT_ONCE):
        rows = session.execute(
            select(RunRefBlock.first_ref, RunRefBlock.body).where(
                RunRefBlock.run_id == run_id,
                RunRefBlock.side == int(side),
                RunRefBlock.first_ref.in_(needed[start : start + BLOCKS_AT_ONCE]),
            )
        )
        for first, body in rows:
            known = {item.ref: item for item in _refs(body)}
            found |= {ref: known[ref] for ref in by_block[first] if ref in known}
    return {ref: item for ref, item in found.items() if item.somewhere}


def _firsts(session: Session, run_id: int, side: Side, refs: Sequence[str]) -> list[bytes]:
    """Return in order the first references of the blocks that may hold these, or of all."""
    column = RunRefBlock.first_ref
    query = select(column).where(RunRefBlock.run_id == run_id, RunRefBlock.side == int(side))
    if len(refs) > FEW_REFS:
        return list(session.scalars(query.order_by(column)))
    nearest = (
        session.scalar(query.where(column <= ref.encode()).order_by(column.desc()).limit(1))
        for ref in refs
    )
    return sorted({first for first in nearest if first is not None})


def _by_block(firsts: Sequence[bytes], refs: Iterable[str]) -> dict[bytes, list[str]]:
    """Return the blocks that may hold these references: those whose first one is not behind."""
    found: dict[bytes, list[str]] = {}
    for ref in refs:
        at = bisect_right(firsts, ref.encode()) - 1
        if at >= 0:
            found.setdefault(firsts[at], []).append(ref)
    return found


def _moved(session: Session, run_id: int, side: Side, refs: Iterable[str]) -> dict[str, Went]:
    """Return what the newest part that knows an entry says of it, also that it is nowhere."""
    mine = (RunRefPart.run_id == run_id, RunRefPart.side == int(side))
    firsts: dict[int, list[bytes]] = {}
    for part, first in session.execute(
        select(RunRefPart.part, RunRefPart.first_ref)
        .where(*mine)
        .order_by(RunRefPart.part.desc(), RunRefPart.first_ref)
    ):
        firsts.setdefault(part, []).append(first)
    found: dict[str, Went] = {}
    rest = set(refs)
    for part, heads in firsts.items():
        for first, some in _by_block(heads, rest).items():
            body = session.scalar(
                select(RunRefPart.body).where(
                    *mine, RunRefPart.part == part, RunRefPart.first_ref == first
                )
            )
            known = {} if body is None else {item.ref: item for item in _refs(body)}
            found |= {ref: known[ref] for ref in some if ref in known}
        rest -= found.keys()
    return found


def last_went(
    session: Session, agreement: bytes, side: Side, ref: str
) -> tuple[MatchRun, Went] | None:
    """Return the newest run that knows an entry, and where it went there."""
    moved: dict[int, Went] = {}
    going_on = session.scalars(
        select(MatchRun)
        .where(
            MatchRun.agreement == agreement,
            MatchRun.id.in_(select(RunRefPart.run_id)),
        )
        .order_by(MatchRun.window.desc(), MatchRun.run_at_ms.desc())
    ).all()
    newest = None
    for run in going_on:
        found = _moved(session, run.id, side, [ref]).get(ref)
        if found is not None:
            moved[run.id] = found
            newest = newest or ((run, found) if found.somewhere else None)
    for run, item in _last_in_blocks(session, agreement, side, ref):
        if newest is not None and _age(newest[0]) >= _age(run):
            return newest
        if run.id not in moved:
            return run, item
    return newest


def _age(run: MatchRun) -> tuple[int, int]:
    return run.window, run.run_at_ms


def _last_in_blocks(
    session: Session, agreement: bytes, side: Side, ref: str
) -> Iterator[tuple[MatchRun, Went]]:
    """Yield the runs whose own blocks know an entry, newest first."""
    inner = aliased(RunRefBlock)
    # By order and not by max(), which PostgreSQL has no form of for bytes.
    nearest = (
        select(inner.first_ref)
        .where(
            inner.run_id == RunRefBlock.run_id,
            inner.side == RunRefBlock.side,
            inner.first_ref <= ref.encode(),
        )
        .order_by(inner.first_ref.desc())
        .limit(1)
        .correlate(RunRefBlock)
        .scalar_subquery()
    )
    rows = session.execute(
        select(MatchRun, RunRefBlock.body)
        .join(RunRefBlock, RunRefBlock.run_id == MatchRun.id)
        .where(
            MatchRun.agreement == agreement,
            RunRefBlock.side == int(side),
            RunRefBlock.first_ref == nearest,
        )
        .order_by(MatchRun.window.desc(), MatchRun.run_at_ms.desc())
        .execution_options(yield_per=1)
    )
    with rows:
        for run, body in rows:
            for item in _refs(body):
                if item.ref == ref:
                    yield run, item


def went_beginning(
    session: Session, run_id: int, side: Side, text: str, *, limit: int
) -> list[Went]:
    """Return where the entries went whose reference begins with `text`, in order."""
    found: dict[str, Went] = {}
    parts = session.scalars(
        select(RunRefPart.part)
        .where(RunRefPart.run_id == run_id, RunRefPart.side == int(side))
        .distinct()
        .order_by(RunRefPart.part)
    ).all()
    # Each gives its first so many: what is among the first of all is among the first of its own.
    for item in _beginning(session, RunRefBlock, run_id, side, text, limit):
        found[item.ref] = item
    for part in parts:
        within = (RunRefPart.part == part,)
        for item in _beginning(session, RunRefPart, run_id, side, text, limit, within):
            found[item.ref] = item
    return [found[ref] for ref in sorted(found) if found[ref].somewhere][:limit]


def _beginning(
    session: Session,
    table: type[RunRefBlock | RunRefPart],
    run_id: int,
    side: Side,
    text: str,
    limit: int,
    within: tuple[ColumnElement[bool], ...] = (),
) -> list[Went]:
    beginning = text.encode()
    mine = (table.run_id == run_id, table.side == int(side), *within)
    before = session.scalar(
        select(table.first_ref)
        .where(*mine, table.first_ref <= beginning)
        .order_by(table.first_ref.desc())
        .limit(1)
    )
    bodies = session.scalars(
        select(table.body)
        .where(
            *mine,
            table.first_ref >= (beginning if before is None else before),
            # No UTF-8 byte is 0xff.
            table.first_ref < beginning + b"\xff",
        )
        .order_by(table.first_ref)
        .limit(limit // REFS_A_BLOCK + 2)
    )
    found = [item for body in bodies for item in _refs(body) if item.ref.startswith(text)]
    return found[:limit]
