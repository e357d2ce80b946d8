"""Until when a share is kept that was not approved in time."""

from __future__ import annotations

import pytest

from node.crypto.oprf.plan import Plan
from node.db import Database
from node.services.committee.ceremony import may_install
from node.tables import KeyEpoch

FINAL = 50


@pytest.mark.parametrize(
    ("resharing", "epochs", "kept"),
    [
        (True, [(1, 0, 5)], True),
        (True, [(1, 0, 5), (1, 1, FINAL + 1)], True),
        (True, [(1, 0, 5), (1, 1, FINAL)], False),
        (True, [(1, 0, 5), (2, 0, FINAL)], False),
        (False, [], False),
    ],
    ids=["open", "not final", "another sharing", "a later epoch", "a new key"],
)
def test_the_share_of_a_late_re_sharing_is_kept_while_the_ledger_may_install_it(
    database: Database, *, resharing: bool, epochs: list[tuple[int, int, int]], kept: bool
) -> None:
    """Destroyed before, one late approval ends both the new shares and the old: no key is left."""
    dealers, previous = ((1, 2, 3), b"\x07" * 32) if resharing else ((), b"")
    plan = Plan(
        1337,
        b"\x01" * 20,
        1,
        int(resharing),
        0,
        2,
        (1, 2, 3),
        20,
        80,
        dealers,
        2 if resharing else 0,
        previous,
    )
    assert plan.resharing == resharing
    with database.writing.begin() as session:
        for key_epoch, sharing, block in epochs:
            session.add(
                KeyEpoch(
                    key_epoch=key_epoch,
                    sharing=sharing,
                    threshold=2,
                    members=[1, 2, 3],
                    public_key=bytes(32),
                    shares_hash=bytes(32),
                    switch_block=1,
                    tx_hash=bytes(32),
                    block_time_s=1,
                    block_number=block,
                    log_index=1,
                )
            )
    with database.reading() as session:
        assert may_install(session, plan, FINAL) is kept
