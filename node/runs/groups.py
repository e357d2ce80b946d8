"""The groups of a run, as blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import RunGroupBlock
from reconcile.matching.groups import Groups
from reconcile.model import MatchGroup

GROUPS_A_BLOCK: Final = 256
BLOCKS_AT_ONCE: Final = 64


class _Stored(NamedTuple):
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    currency: str
    residual: str


_encode: Final = msgspec.msgpack.Encoder().encode
_groups: Final = msgspec.msgpack.Decoder(list[_Stored | None]).decode


# --------------------------------------------------------------------------------- writing
def group_blocks(run_id: int, groups: Groups) -> Iterator[dict[str, Any]]:
    """Return the rows that keep a run's groups, given in canonical order."""
    for first in range(0, len(groups), GROUPS_A_BLOCK):
        # A residual may pass the 64 bits of a MessagePack integer.
        stop = min(first + GROUPS_A_BLOCK, len(groups))
        body = [(*row, str(residual)) for *row, residual in groups.rows(first, stop)]
        yield {"run_id": run_id, "first_number": first, "body": _encode(body)}


def changed_group_blocks(
    session: Session, run_id: int, formed: Mapping[int, MatchGroup], dissolved: Iterable[int]
) -> list[dict[str, Any]]:
    """Return the blocks of a run whose groups changed, as they are now."""
    changed: dict[int, MatchGroup | None] = {**dict.fromkeys(dissolved), **formed}
    by_block: dict[int, dict[int, MatchGroup | None]] = {}
    for number, group in changed.items():
        by_block.setdefault(number - number % GROUPS_A_BLOCK, {})[number] = group
    rows = []
    for first, before in _blocks_at(session, run_id, sorted(by_block)).items():
        last = max(by_block[first]) - first
        some = before + [None] * (last + 1 - len(before))
        for number, group in by_block[first].items():
            some[number - first] = None if group is None else _stored(group)
        rows.append({"run_id": run_id, "first_number": first, "body": _encode(some)})
    return rows


def _blocks_at(
    session: Session, run_id: int, firsts: Sequence[int]
) -> dict[int, list[_Stored | None]]:
    found: dict[int, list[_Stored | None]] = {first: [] for first in firsts}
    for start in range(0, len(firsts), BLOCKS_AT_ONCE):
        rows = session.execute(
            select(RunGroupBlock.first_number, RunGroupBlock.body).where(
                RunGroupBlock.run_id == run_id,
                RunGroupBlock.first_number.in_(firsts[start : start + BLOCKS_AT_ONCE]),
            )
        )
        found |= {first: _groups(body) for first, body in rows}
    return found


# --------------------------------------------------------------------------------- reading
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
                if item is not None and number >= first_number:
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
    found: dict[int, _Stored | None] = {}
    for start in range(0, len(firsts), BLOCKS_AT_ONCE):
        rows = session.execute(
            select(RunGroupBlock.first_number, RunGroupBlock.body).where(
                RunGroupBlock.run_id == run_id,
                RunGroupBlock.first_number.in_(firsts[start : start + BLOCKS_AT_ONCE]),
            )
        )
        for first, body in rows:
            found.update(enumerate(_groups(body), start=first))
    stand = ((number, found.get(number)) for number in wanted)
    return [(number, _group(item)) for number, item in stand if item is not None]


def _stored(group: MatchGroup) -> _Stored:
    residual = str(group.residual_minor)
    return _Stored(group.pass_name, group.servicer, group.owner, group.currency, residual)


def _group(item: _Stored) -> MatchGroup:
    return MatchGroup(item.pass_name, item.servicer, item.owner, item.currency, int(item.residual))
