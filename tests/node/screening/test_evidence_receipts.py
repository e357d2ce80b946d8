"""Receipts inside an evidence bundle: of this network, on a consent that its changes record."""

from __future__ import annotations

from dataclasses import replace

import pytest
import test_receipts
from test_consents import DOMAIN
from test_evidence import evidence, weigh
from test_receipts import make, signed


def test_a_receipt_of_another_network_is_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound in itself and of this person, it says nothing about an entry on this ledger."""
    for other in (replace(DOMAIN, chain_id=99), replace(DOMAIN, contract=b"\x77" * 20)):
        monkeypatch.setattr(test_receipts, "DOMAIN", other)
        foreign = signed(make.__wrapped__(1, listed=True))
        ok, said = weigh(replace(evidence(), receipts=(foreign,)))
        assert not ok
        assert "it is of another network" in said


def test_a_lookup_s_consent_that_no_change_records_is_not_proven() -> None:
    """The lookup is repeated all the same; that its consent stood on the ledger nobody shows."""
    whole = evidence(with_receipt=True)
    consent = make(1, listed=True).consent.consent
    ok, said = weigh(whole)
    word = f"that consent 0x{consent.digest(DOMAIN).hex()[:16]}"
    assert (ok, word in said) == (True, True)
    change = next(one for one in whole.changes if one.name == "ConsentRecorded")
    args = {**change.args, "consent": f"0x{consent.digest(DOMAIN).hex()}"}
    recorded = (*whole.changes, replace(change, args=args, log_index=99))
    ok, said = weigh(replace(whole, changes=recorded))
    assert (ok, word in said) == (True, False), said
