"""What a request to settle costs the committee's node that it is sent to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from node.screening import countersigning
from node.screening import envelope as envelopes_read
from node.screening.countersigning import Countersigned, read_countersigned
from node.screening.releases import HitVerdict, read_attestation
from node.tables import OwnAttestation
from reconcile.model import KanheError
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown


@pytest.fixture
def asked(town: BlacklistTown) -> tuple[int, list[bytes], list[Countersigned]]:
    """A period that is over, the reader's confirmed hits in it, and who evaluated them."""
    beta = town.node(2).screening
    beta.claim_allowance()
    town.pass_days(1)
    entry = town.list(1, 6)
    receipt = look(town, 2, 1, entry)
    period = town.today() // 10
    beta.attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    town.pass_days(10)
    with town.node(2).database.reading() as session:
        row = session.scalars(select(OwnAttestation).where(OwnAttestation.entry == entry)).one()
        assert row.countersigned is not None
        return period, [row.envelope], [read_countersigned(row.countersigned)]


def test_what_is_cheap_to_refuse_costs_no_signature(
    town: BlacklistTown,
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[int, list[bytes], list[Countersigned]],
) -> None:
    """Another's node or period, and many tickets: refused by what the rows say, however many."""
    period, envelopes, used = asked
    recovered: list[bytes] = []
    for module in (countersigning, envelopes_read):
        monkeypatch.setattr(module, "recover_address", _counted(module.recover_address, recovered))
    read_attestation(envelopes[0])
    once = len(recovered)
    many = [*used, *(msgspec.structs.replace(used[0], ticket=number) for number in range(500))]
    for node, changed, most, code in [
        (4, (period, envelopes, used), 0, "NOT_COMMITTEE_MEMBER"),
        (3, (period + 9, envelopes, used), 0, "PERIOD_NOT_OVER"),
        (3, (period, envelopes, used * 20_001), 0, "SETTLEMENT_TOO_LARGE"),
        (3, (period, [bytes(1_025)], used), 0, "SETTLEMENT_TOO_LARGE"),
        (3, (period, envelopes, many), once, "SETTLEMENT_FALSE"),
        (3, (period, envelopes, used * 100), once, "SETTLEMENT_FALSE"),
    ]:
        recovered.clear()
        sign = town.node(node).screening.sign_settlement
        with pytest.raises(KanheError) as caught:
            sign(msgspec.msgpack.encode(changed), reader=2)
        assert (caught.value.code, len(recovered) <= most) == (code, True)
    recovered.clear()
    assert town.node(3).screening.sign_settlement(msgspec.msgpack.encode(asked), reader=2)
    assert len(recovered) == once + len(used[0].signatures), "each is recovered once"


def _counted(
    recover: Callable[[bytes, bytes], str], recovered: list[bytes]
) -> Callable[[bytes, bytes], str]:
    def call(digest: bytes, signature: bytes) -> str:
        recovered.append(signature)
        return recover(digest, signature)

    return call
