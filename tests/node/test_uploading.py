"""An uploader's own turns: as many challenges as are heard, and records of what takes a leaf."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from node.blacklist import Now
from node.db import Database
from node.screening.states import CHALLENGE_PERIOD_S, DAY_S, MAX_CHALLENGES, TICKET_S
from node.services.index import uploading
from node.services.index.leaving import _undelivered
from node.services.index.uploading import _is_heard
from node.tables import CheckedRoot, ListedEntry, RootChallenge, SealedRecord

BEGUN_S = 2_000 * CHALLENGE_PERIOD_S


def test_a_member_is_heard_a_few_times_a_period(database: Database) -> None:
    """Its own of a period that ends now count, to the second; others' and older ones do not."""
    end_s = BEGUN_S + CHALLENGE_PERIOD_S
    times = [BEGUN_S] + [BEGUN_S + 7] * (MAX_CHALLENGES - 1)
    with database.writing.begin() as session:
        for number, time_s in enumerate(times):
            session.add(_challenge(number, 5, time_s))
            session.add(_challenge(number, 6, BEGUN_S + 7))
    with database.writing.begin() as session:
        for member in (5, 6):
            assert not _is_heard(session, member, Now(1, end_s - 1))
        assert _is_heard(session, 5, Now(1, end_s))
        assert not _is_heard(session, 6, Now(1, end_s))
        session.add(_challenge(99, 5, end_s))
        session.flush()
        assert not _is_heard(session, 5, Now(1, end_s + 1))
        assert _is_heard(session, 5, Now(1, end_s + 7))


@pytest.mark.parametrize(
    ("stage", "ends_day", "posted_s", "left"),
    [
        ("LISTED", 0, -TICKET_S - 1, True),
        ("SUSPENDED", 0, -TICKET_S - 1, True),
        ("TICKETED", 0, -TICKET_S, True),
        ("TICKETED", 0, -TICKET_S - 1, False),
        ("LISTED", -1, 0, False),
        ("REMOVED", 0, 0, False),
        ("ERASED", 0, 0, False),
    ],
)
def test_records_of_what_takes_no_leaf_are_left_nowhere(
    database: Database, stage: str, ends_day: int, posted_s: int, left: bool
) -> None:
    """Replicas take none of them, so they would be left again in every turn."""
    today = BEGUN_S // DAY_S
    with database.writing.begin() as session:
        session.add(
            ListedEntry(
                entry=bytes(32),
                uploader=5,
                profile=1,
                commitment=bytes(32),
                notice_day=1,
                effective_day=1,
                expires_day=today + 900,
                ends_day=today + ends_day,
                stage=stage,
                stake_held=True,
                posted_at_s=BEGUN_S + posted_s,
                tx_hash=bytes(32),
                block_number=1,
                log_index=0,
            )
        )
        session.add(
            SealedRecord(
                entry=bytes(32),
                key_epoch=1,
                loc=bytes(32),
                record=b"sealed",
                salt=bytes(32),
                sealed_at_ms=1,
            )
        )
    with database.writing.begin() as session:
        assert bool(_undelivered(session, 5, 1, 2, time_s=BEGUN_S)) is left


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


def test_a_root_that_no_challenge_is_heard_of_is_looked_at_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place becomes free within its hour: then its missing leaf is challenged, once."""
    begun_s = 2_000 * CHALLENGE_PERIOD_S
    with database.writing.begin() as session:
        session.add_all(_challenge(number, 5, begun_s) for number in range(MAX_CHALLENGES))
    root, sent = SimpleNamespace(version=9, revision=1), list[object]()

    def unchecked(session: Session, *_: object) -> object:
        return None if session.get(CheckedRoot, (9, 1)) else (root, None)

    missing = [SimpleNamespace(entry=b"e" * 32)]
    monkeypatch.setattr(uploading, "_unchecked", unchecked)
    monkeypatch.setattr(uploading, "_own_at", lambda *_: [1])
    looked: list[object] = []

    def look(*asked: object) -> tuple[int, list[SimpleNamespace], list[object]]:
        looked.append(asked)
        return 2, missing, []

    monkeypatch.setattr(uploading, "_look", look)
    calls: Any = SimpleNamespace(challenge_root=lambda *asked: sent.append(asked[1:]))
    doors: Any = SimpleNamespace(
        reading=database.writing.begin,
        writing=database.writing.begin,
        identity=SimpleNamespace(clock=lambda: 0),
    )
    epoch: Any = SimpleNamespace(key_epoch=1)
    unheard: dict[tuple[int, int], int] = {}
    # Its buckets are read once a minute until then, and not in every turn.
    for late_s, looks, asked in ((-600, 1, 0), (-599, 1, 0), (-540, 2, 0), (0, 3, 1), (60, 3, 1)):
        now = Now(1, begun_s + CHALLENGE_PERIOD_S + late_s)
        uploading.check_due(doors, 5, epoch, lambda *_: b"", calls, now, unheard=unheard)
        assert (len(looked), len(sent)) == (looks, asked)
    assert sent == [(9, 1, b"e" * 32)]
