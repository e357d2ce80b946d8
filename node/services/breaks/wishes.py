"""What a row of a workbook is about: a break, a proposal's entries, or a group's."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.runs import groups_numbered
from node.services.breaks.deciding import WRITE_OFF
from node.services.breaks.runs import break_of
from node.services.breaks.views import Listed, Wish
from node.tables import MatchRun, RunBreak, RunProposal
from reconcile.matching.keys import group_subject
from reconcile.model import UsageError

Refs = tuple[Sequence[str], Sequence[str]]


def about_of(session: Session, run: MatchRun, wish: Wish) -> tuple[RunBreak | None, Refs]:
    """Return the break a row shows, if it shows one, and the entries decided on.

    Raises `UsageError` BREAK_UNKNOWN, PROPOSAL_UNKNOWN, GROUP_UNKNOWN.
    """
    if wish.listed is Listed.GROUP:
        return None, _group(session, run, wish)
    if wish.listed is Listed.PROPOSAL:
        return None, _proposal(session, run, wish.key)
    row = break_of(session, run, wish.key)
    if wish.proposal is None or wish.verdict == WRITE_OFF:
        return row, (row.servicer, row.owner)
    return row, _proposal(session, run, wish.proposal)


def _proposal(session: Session, run: MatchRun, key: bytes) -> Refs:
    found = session.execute(
        select(RunProposal).where(RunProposal.run_id == run.id, RunProposal.proposal_key == key)
    ).scalar_one_or_none()
    whole = found is not None and (found.servicer_count, found.owner_count) == (
        len(found.servicer),
        len(found.owner),
    )
    if found is None or not whole:
        raise UsageError(
            "PROPOSAL_UNKNOWN",
            "the row's proposal is not in this run, or too large to confirm as a whole",
            help="decide on its entries at the desk",
        )
    return found.servicer, found.owner


def _group(session: Session, run: MatchRun, wish: Wish) -> Refs:
    """Return a group's entries; the key says that it is still the one that was shown."""
    numbers = () if wish.number is None else (wish.number,)
    for _, group in groups_numbered(session, run.id, numbers):
        if group_subject(run.agreement, group.servicer, group.owner) == wish.key:
            return group.servicer, group.owner
    raise UsageError(
        "GROUP_UNKNOWN", "the row's group is not in this run", help="export the workbook again"
    )
