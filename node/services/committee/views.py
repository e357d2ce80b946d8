"""Runs and key epochs, for people."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.committees import load_runs
from node.crypto.oprf.plan import Phase
from node.tables import CommitteeRun, KeyEpoch
from node.tables.tip import tip_of


@dataclass(frozen=True, slots=True)
class RunView:
    """A run: who takes part, where it stands, and this node's part in it ("" for none).

    `phase` is JOIN before the run began, "OVER" after its last block; `ends_block` ends the phase.
    """

    run: bytes
    key_epoch: int
    sharing: int
    attempt: int
    threshold: int
    members: tuple[int, ...]
    dealers: tuple[int, ...]
    joined: tuple[int, ...]
    phase: str
    ends_block: int | None
    ours: str
    error_code: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class EpochView:
    """A key epoch as its newest sharing holds it; `current` is used by lookups now."""

    key_epoch: int
    sharing: int
    threshold: int
    members: tuple[int, ...]
    public_key: bytes
    switch_block: int
    current: bool
    held: bool
    for_demonstration: bool


def run_views(session: Session) -> tuple[RunView, ...]:
    """Return every run, newest first."""
    cursor = tip_of(session)
    final = -1 if cursor is None else cursor.final_block
    ours = {row.run: row for row in session.scalars(select(CommitteeRun))}
    views = []
    for run in reversed(load_runs(session)):
        plan, row = run.plan, ours.get(run.plan.id)
        phase, ends = "JOIN", None
        if run.timeline is not None:
            phase, ends = "OVER", run.timeline.switch
            for item in list(Phase)[1 : plan.last_phase + 1]:
                if final < run.timeline.ends(item):
                    phase, ends = item.name, run.timeline.ends(item)
                    break
        views.append(
            RunView(
                run=plan.id,
                key_epoch=plan.key_epoch,
                sharing=plan.sharing,
                attempt=plan.attempt,
                threshold=plan.threshold,
                members=plan.members,
                dealers=plan.dealers or plan.members,
                joined=run.joined,
                phase=phase,
                ends_block=ends,
                ours="" if row is None else row.state,
                error_code=None if row is None else row.error_code,
                error=None if row is None else row.error,
            )
        )
    return tuple(views)


def epoch_views(session: Session, current: int) -> tuple[EpochView, ...]:
    """Return the key epochs, newest first."""
    rows = session.scalars(
        select(KeyEpoch).order_by(KeyEpoch.key_epoch.desc(), KeyEpoch.sharing.desc())
    )
    newest: dict[int, KeyEpoch] = {}
    for row in rows:
        newest.setdefault(row.key_epoch, row)
    held = {
        (row.key_epoch, row.sharing)
        for row in session.scalars(select(CommitteeRun).where(CommitteeRun.state == "INSTALLED"))
    }
    return tuple(
        EpochView(
            key_epoch=row.key_epoch,
            sharing=row.sharing,
            threshold=row.threshold,
            members=tuple(row.members),
            public_key=row.public_key,
            switch_block=row.switch_block,
            current=row.key_epoch == current,
            held=(row.key_epoch, row.sharing) in held,
            for_demonstration=row.threshold < 3,  # noqa: PLR2004 - production is t >= 3
        )
        for row in newest.values()
    )
