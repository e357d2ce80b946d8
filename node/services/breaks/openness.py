"""What a decision may still be about: what the window proven last left open.

Decisions apply before all passes (matching.md, rule 4), so an entry of a later window is open to
them whatever a provisional run says of it. One that a proof settled is open again only through a
decision that takes its group apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.drafts import DONE, DRAFTED
from node.runs import Went, groups_numbered, where_went
from node.services.breaks.deciding import KIND, WRITE_OFF, record_of
from node.services.breaks.runs import PROOF, run_of
from node.services.breaks.standing import PENDING, WAITING, standing_decisions
from node.tables import Draft, MatchRun, PostedEntry, RunBreak
from reconcile.matching.keys import decision_hash
from reconcile.model import Decision, Side, UsageError, day_iso, window_day

UNMATCH: Final = "unmatch"
CONFIRM: Final = "confirm"
LOOK_AGAIN: Final = "look at the newest window: `kanhe break list`, or export the workbook again"


class Openness:
    """What the newest proof of an agreement leaves open, for the decisions of one transaction."""

    def __init__(self, session: Session, agreement: bytes) -> None:
        self._session = session
        self._agreement = agreement

    def require(self, decision: Decision) -> None:
        """Refuse a decision whose entries the newest proof does not let it be about.

        Raises `UsageError` ENTRY_NOT_OPEN, for an unmatch GROUP_NOT_STANDING, for a write-off
        BREAK_CHANGED where the break is other entries than those named. What a decision on its
        way may open or group is left to it.
        """
        if self._proof is None:
            return
        unmatch = decision.verdict == UNMATCH
        # An unmatch needs a group, every other verdict open entries.
        wrong, helpful = (False, CONFIRM) if unmatch else (True, UNMATCH)
        for side in Side:
            refs = (decision.servicer, decision.owner)[side]
            went = where_went(self._session, self._proof.id, side, refs)
            for ref in refs:
                if self._settled(side, ref, went) is not wrong:
                    continue
                if (side, ref) in self._coming.get(helpful, ()):
                    continue
                if not (unmatch and self._grouped_since(side, ref)):
                    raise self._refused(ref, went.get(ref), unmatch=unmatch)
        if decision.verdict == WRITE_OFF:
            self._require_same(decision)

    @cached_property
    def _proof(self) -> MatchRun | None:
        return self._session.scalars(
            select(MatchRun)
            .where(MatchRun.agreement == self._agreement, MatchRun.kind == PROOF)
            .order_by(MatchRun.window.desc())
            .limit(1)
        ).first()

    def _settled(self, side: Side, ref: str, went: Mapping[str, Went]) -> bool | None:
        """Say whether a proof grouped an entry; None where none has read it as it is."""
        found = went.get(ref)
        if found is not None:
            return found.group is not None
        assert self._proof is not None, "asked for behind a proof alone"
        window = self._session.scalar(
            select(func.max(PostedEntry.window)).where(
                PostedEntry.agreement == self._agreement,
                PostedEntry.side == int(side),
                PostedEntry.entry_ref == ref,
            )
        )
        return None if window is None or window > self._proof.window else True

    def _grouped_since(self, side: Side, ref: str) -> bool:
        """Say whether the newest run groups an entry that the proof left open."""
        newest = run_of(self._session, self._agreement, None)
        assert newest is not None, "there is a proof"
        found = where_went(self._session, newest.id, side, [ref]).get(ref)
        return found is not None and found.group is not None

    def _refused(self, ref: str, went: Went | None, *, unmatch: bool) -> UsageError:
        assert self._proof is not None, "refused by a proof alone"
        day = day_iso(window_day(self._proof.window))
        if unmatch:
            return UsageError(
                "GROUP_NOT_STANDING",
                f"{ref} is open in the window proven last ({day}): it is in no group",
                help=LOOK_AGAIN,
            )
        how = "in a window before"
        if went is not None and went.group is not None:
            ((_, group),) = groups_numbered(self._session, self._proof.id, [went.group])
            how = f"by {group.pass_name}"
        return UsageError(
            "ENTRY_NOT_OPEN",
            f"{ref} is settled, {how}: the window proven last ({day}) does not leave it open",
            help=LOOK_AGAIN,
        )

    def _require_same(self, decision: Decision) -> None:
        """Refuse a write-off of a break that the newest proof knows with other entries."""
        assert self._proof is not None, "asked for behind a proof alone"
        row = self._session.scalar(
            select(RunBreak).where(
                RunBreak.run_id == self._proof.id, RunBreak.break_key == decision.subject
            )
        )
        if row is not None and (set(row.servicer), set(row.owner)) != (
            set(decision.servicer),
            set(decision.owner),
        ):
            raise UsageError(
                "BREAK_CHANGED", "the break is other entries since then", help=LOOK_AGAIN
            )

    @cached_property
    def _coming(self) -> Mapping[str, Collection[tuple[Side, str]]]:
        """Return by verdict the entries of decisions that are on their way.

        Ours that are drafted or queued, and those posted that no report has read.
        """
        posted = standing_decisions(self._session, self._agreement)
        hashes = {item.hash for item in posted}
        rows = self._session.scalars(
            select(Draft).where(
                Draft.kind == KIND,
                Draft.agreement == self._agreement,
                Draft.state.in_((DRAFTED, DONE)),
            )
        )
        ours = (record_of(row, "") for row in rows)
        found: dict[str, set[tuple[Side, str]]] = defaultdict(set)
        for item in (
            *(item.decision for item in posted if item.effect in {WAITING, PENDING}),
            *(item for item in ours if decision_hash(item) not in hashes),
        ):
            for side in Side:
                found[item.verdict] |= {(side, ref) for ref in (item.servicer, item.owner)[side]}
        return found
