"""The groups of a run and where each entry went in it, kept as blocks and not as a row each.

A run of a whole day names every entry; a row for each would cost more than matching them. A block
is one row of `GROUPS_A_BLOCK` groups in canonical order, or of `REFS_A_BLOCK` references in the
order of their bytes, so that a page, a number or a reference is found by one look into an index.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from node.tables import MatchRun, RunGroupBlock, RunRefBlock
from reconcile.matching.groups import Groups
from reconcile.model import Break, MatchGroup, Side

GROUPS_A_BLOCK: Final = 256
REFS_A_BLOCK: Final = 512
BLOCKS_AT_ONCE: Final = 64


class Went(NamedTuple):
    """Where an entry went in a run: exactly one of a group's number and a break's."""

    ref: str
    group: int | None
    broken: int | None


class _Stored(NamedTuple):
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    currency: str
    residual: str


_encode: Final = msgspec.msgpack.Encoder().encode
_groups: Final = msgspec.msgpack.Decoder(list[_Stored]).decode
_refs: Final = msgspec.msgpack.Decoder(list[Went]).decode


# --------------------------------------------------------------------------------- writing
def group_blocks(run_id: int, groups: Groups) -> Iterator[dict[str, Any]]:
    """Return the rows that keep a run's groups, given in canonical order."""
    for first in range(0, len(groups), GROUPS_A_BLOCK):
        # A residual may pass the 64 bits of a MessagePack integer.
        stop = min(first + GROUPS_A_BLOCK, len(groups))
        body = [(*row, str(residual)) for *row, residual in groups.rows(first, stop)]
        yield {"run_id": run_id, "first_number": first, "body": _encode(body)}


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
        # Characters in order are UTF-8 bytes in order.
        ordered = sorted(went)
        for first in range(0, len(ordered), REFS_A_BLOCK):
            part = ordered[first : first + REFS_A_BLOCK]
            yield {
                "run_id": run_id,
                "side": int(side),
                "first_ref": part[0].encode(),
                "body": _encode([(ref, *went[ref]) for ref in part]),
            }


# --------------------------------------------------------------------------------- groups
def groups_from(
    session: Session, run_id: int, first_number: int = 0
) -> Iterator[tuple[int, MatchGroup]]:
    """Yield a run's groups from a number on, in order; blocks are read as they are needed."""
    start = first_number - first_number % GROUPS_A_BLOCK
    while True:
        rows = session.execute(
            select(RunGroupBlock.first_number, RunGroupBlock.body)
            .where(RunGroupBlock.run_id == run_id, RunGroupBlock.first_number >= start)
            .order_by(RunGroupBlock.first_number)
            .limit(1)
        ).all()
        for first, body in rows:
            for number, item in enumerate(_groups(body), start=first):
                if number >= first_number:
                    yield number, _group(item)
            start = first + 1
        if not rows:
            return


def groups_numbered(
    session: Session, run_id: int, numbers: Iterable[int]
) -> list[tuple[int, MatchGroup]]:
    """Return these of a run's groups that exist, in order."""
    wanted = sorted(set(numbers))
    firsts = sorted({number - number % GROUPS_A_BLOCK for number in wanted})
    found: dict[int, _Stored] = {}
    for start in range(0, len(firsts), BLOCKS_AT_ONCE):
        rows = session.execute(
            select(RunGroupBlock.first_number, RunGroupBlock.body).where(
                RunGroupBlock.run_id == run_id,
                RunGroupBlock.first_number.in_(firsts[start : start + BLOCKS_AT_ONCE]),
            )
        )
        for first, body in rows:
            found |= enumerate(_groups(body), start=first)
    return [(number, _group(found[number])) for number in wanted if number in found]


def _group(item: _Stored) -> MatchGroup:
    return MatchGroup(item.pass_name, item.servicer, item.owner, item.currency, int(item.residual))


# --------------------------------------------------------------------------------- entries
def where_went(session: Session, run_id: int, side: Side, refs: Iterable[str]) -> dict[str, Went]:
    """Return where these entries went in a run; those that it does not know are left out."""
    wanted = sorted(set(refs))
    if not wanted:
        return {}
    firsts = list(
        session.scalars(
            select(RunRefBlock.first_ref)
            .where(RunRefBlock.run_id == run_id, RunRefBlock.side == int(side))
            .order_by(RunRefBlock.first_ref)
        )
    )
    by_block: dict[bytes, list[str]] = {}
    for ref in wanted:
        at = bisect_right(firsts, ref.encode()) - 1
        if at >= 0:
            by_block.setdefault(firsts[at], []).append(ref)
    found: dict[str, Went] = {}
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
    return found


def last_went(
    session: Session, agreement: bytes, side: Side, ref: str
) -> tuple[MatchRun, Went] | None:
    """Return the newest run that knows an entry, and where it went there."""
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
                    return run, item
    return None


def went_beginning(
    session: Session, run_id: int, side: Side, text: str, *, limit: int
) -> list[Went]:
    """Return where the entries went whose reference begins with `text`, in order."""
    beginning = text.encode()
    before = session.scalar(
        select(RunRefBlock.first_ref)
        .where(
            RunRefBlock.run_id == run_id,
            RunRefBlock.side == int(side),
            RunRefBlock.first_ref <= beginning,
        )
        .order_by(RunRefBlock.first_ref.desc())
        .limit(1)
    )
    bodies = session.scalars(
        select(RunRefBlock.body)
        .where(
            RunRefBlock.run_id == run_id,
            RunRefBlock.side == int(side),
            RunRefBlock.first_ref >= (beginning if before is None else before),
            # No UTF-8 byte is 0xff.
            RunRefBlock.first_ref < beginning + b"\xff",
        )
        .order_by(RunRefBlock.first_ref)
        .limit(limit // REFS_A_BLOCK + 2)
    )
    found = [item for body in bodies for item in _refs(body) if item.ref.startswith(text)]
    return found[:limit]
