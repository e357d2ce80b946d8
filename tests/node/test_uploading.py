"""An uploader's challenges: as many as the contract hears."""

from __future__ import annotations

from node.blacklist import Now
from node.db import Database
from node.screening.states import CHALLENGE_PERIOD_S, MAX_CHALLENGES
from node.services.index.uploading import _is_heard
from node.tables import RootChallenge

BEGUN_S = 2_000 * CHALLENGE_PERIOD_S


def test_a_member_is_heard_a_few_times_a_period(database: Database) -> None:
    """Its own of this period count, others' and older ones do not."""
    times = [BEGUN_S - 1] * 9 + [BEGUN_S] + [BEGUN_S + 7] * (MAX_CHALLENGES - 2)
    with database.writing.begin() as session:
        for number, time_s in enumerate(times):
            session.add(_challenge(number, 5, time_s))
            session.add(_challenge(number, 6, BEGUN_S + 7))
    with database.writing.begin() as session:
        assert _is_heard(session, 5, Now(1, BEGUN_S + 8))
        session.add(_challenge(99, 5, BEGUN_S + 8))
        session.flush()
        assert not _is_heard(session, 5, Now(1, BEGUN_S + 9))
        assert not _is_heard(session, 6, Now(1, BEGUN_S + 9))
        assert _is_heard(session, 5, Now(1, BEGUN_S + CHALLENGE_PERIOD_S))


def _challenge(version: int, member: int, time_s: int) -> RootChallenge:
    return RootChallenge(
        version=version,
        revision=1,
        member=member,
        entry=bytes(32),
        tx_hash=bytes(32),
        block_time_s=time_s,
        block_number=1,
        log_index=member,
    )
