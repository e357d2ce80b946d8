"""When the next version of the index is cut."""

from __future__ import annotations

import pytest

from node.blacklist import Now
from node.db import Database
from node.services.index.building import (
    GIVE_UP_S,
    INTERVAL_S,
    LEFT_INTERVAL_S,
    may_follow,
    place_of,
)
from node.tables import IndexCut, IndexRoot, RootChallenge

CUT_S = 1_000


@pytest.mark.parametrize(
    ("roots", "challenges", "after_s", "follows"),
    [
        (0, 0, GIVE_UP_S - 1, False),
        (0, 0, GIVE_UP_S, True),
        (1, 0, INTERVAL_S - 1, False),
        (1, 0, INTERVAL_S, True),
        (1, 1, GIVE_UP_S - 1, False),
        (1, 1, GIVE_UP_S, True),
        (2, 2, INTERVAL_S - 1, False),
        (2, 2, INTERVAL_S, True),
    ],
    ids=[
        "no root",
        "no root for days",
        "too soon",
        "a day on",
        "challenged",
        "challenged for days",
        "challenged twice",
        "not signed by all",
    ],
)
def test_a_version_follows_though_its_last_root_is_never_signed(
    database: Database, roots: int, challenges: int, after_s: int, *, follows: bool
) -> None:
    """One uploader and one silent member of the committee do not end the index for ever."""
    log = {"tx_hash": bytes(32), "block_number": 1, "block_time_s": CUT_S, "log_index": 1}
    with database.writing.begin() as session:
        session.add(IndexCut(version=1, key_epoch=1, leaf_count=0, **log))
        for revision in range(1, roots + 1):
            root = {"root": bytes(32), "leaf_count": 0, "signatures": []}
            session.add(IndexRoot(version=1, revision=revision, **root, **log))
        for revision in range(1, challenges + 1):
            by = {"member": 4, "entry": bytes(32)}
            session.add(RootChallenge(version=1, revision=revision, **by, **log))
    with database.reading() as session:
        place = place_of(session, session.get_one(IndexCut, 1))
        assert may_follow(place, Now(9, CUT_S + after_s)) is follows
        left = [may_follow(place, Now(9, CUT_S + s), has_left=True) for s in (-1, 0)]
        soon = [
            may_follow(place, Now(9, CUT_S + LEFT_INTERVAL_S + s), has_left=True) for s in (-1, 0)
        ]
        stands = roots == 1 and not challenges
        assert left == [False, False]
        assert soon == [False, stands or roots == 2]
