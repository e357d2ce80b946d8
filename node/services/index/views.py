"""The index's versions as people see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import now_of
from node.index_reading import is_challenged
from node.replica import Replica
from node.screening.states import ROOT_CHALLENGE_S
from node.services.index.building import Place, place_of
from node.tables import IndexCut


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version of the index: where it stands on the ledger, and here.

    `state`: CUT, PUBLISHED, CHALLENGED, LIVE, or REPLACED by a newer live one of its key epoch.
    """

    version: int
    key_epoch: int
    cut_block: int
    leaf_count: int
    root: bytes | None
    revision: int
    state: str
    built_here: bool


def versions_of(session: Session, replica: Replica | None, limit: int) -> tuple[VersionView, ...]:
    """Return the newest versions, newest first; `replica` says which are built here."""
    now = now_of(session)
    cuts = session.scalars(select(IndexCut).order_by(IndexCut.version.desc()).limit(limit)).all()
    views: list[VersionView] = []
    read: set[int] = set()
    for cut in cuts:
        view = _view(session, place_of(session, cut), replica, now.time_s)
        if view.state == "LIVE":
            # Readers take the newest live one of a key epoch.
            view = replace(view, state="REPLACED") if view.key_epoch in read else view
            read.add(view.key_epoch)
        views.append(view)
    return tuple(views)


def _view(session: Session, place: Place, replica: Replica | None, time_s: int) -> VersionView:
    cut, root = place.cut, place.root
    if root is None:
        state = "CUT"
    elif is_challenged(session, cut.version, root.revision):
        state = "CHALLENGED"
    else:
        live = time_s > root.block_time_s + ROOT_CHALLENGE_S
        state = "LIVE" if live else "PUBLISHED"
    return VersionView(
        cut.version,
        cut.key_epoch,
        cut.block_number,
        cut.leaf_count,
        None if root is None else root.root,
        place.revision,
        state,
        replica is not None and cut.version in replica.versions(cut.key_epoch),
    )
