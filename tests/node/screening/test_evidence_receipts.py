"""Receipts inside an evidence bundle: of this network, on a consent that its changes record.

What no receipt proves without the ledger, none proves in a bundle either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import test_receipts
from test_consents import DOMAIN, NOW_S
from test_evidence import EXPORTER, evidence, weigh
from test_receipts import UPLOADER_TRUST, is_committee, is_node, listed, make, signed

from node.crypto.oprf import group, shamir, threshold
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.screening.evidence import sign_evidence
from node.screening.explaining import IF_ROOT_STANDS
from node.screening.index import build_index, make_buckets, prove_bucket
from node.screening.verifying import NOT_COUNTERSIGNED, Ledger, verify_receipt
from node.screening.weighing import weigh_evidence


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


def made_up() -> bytes:
    """A reader's receipt of an empty index of its own, evaluated by nodes that it made up as well.

    The person, the consent and every signature are true.
    """
    true = make(1, listed=True)
    polynomial = shamir.random_polynomial(1)
    holders = [ShareHolder.of(at, shamir.share_of(polynomial, at)) for at in (1, 2, 3)]
    public = group.scale_base(polynomial[0])
    committee = Committee(2, public, {item.index: item.pair.public for item in holders})
    buckets = make_buckets([])
    index = build_index(buckets, key_epoch=1, version=41, cut_block=90)
    return signed(
        replace(
            true,
            committee=committee,
            answers=tuple(threshold.evaluate_share(item, true.batch) for item in holders[:2]),
            proof=prove_bucket(index, buckets[0]),
            entries=(),
            countersignatures=(),
        )
    )


def test_a_lookup_in_an_index_that_its_reader_made_up_is_not_proven() -> None:
    """It holds in itself, as nothing offline can tell; what only the ledger knows is said of it."""
    bundle = replace(evidence(), receipts=(signed(make(1, listed=True)), made_up()))
    found = weigh_evidence(sign_evidence(bundle, EXPORTER), allow_test=True)
    assert found.ok
    (hit, absence) = [line for line in found.proved if "this entry in index version" in line]
    assert hit.startswith("member 2 found this entry in index version 1, cut at block 5, if")
    assert absence.startswith("member 2 did not find this entry in index version 41, cut at")
    assert {line[-len(IF_ROOT_STANDS) :] for line in (hit, absence)} == {IF_ROOT_STANDS}
    for number, data in enumerate(bundle.receipts, 1):
        alone = verify_receipt(data, trust=UPLOADER_TRUST, at_s=NOW_S, allow_test=True)
        for line in alone.not_proved:
            assert f"of receipt {number}: {line}" in found.not_proved
    assert any("that the root stands on the ledger" in line for line in found.not_proved)
    assert f"of receipt 2: {NOT_COUNTERSIGNED}" in found.not_proved
    assert f"of receipt 1: {NOT_COUNTERSIGNED}" not in found.not_proved


def test_a_node_holds_it_against_its_own_ledger(code_of: Callable[..., str]) -> None:
    """Whoever knows the roots and committees refuses it by either."""
    words: dict[str, Any] = {"trust": UPLOADER_TRUST, "at_s": NOW_S, "allow_test": True}
    ledger = Ledger(lambda _header: True, is_committee, is_node, listed)
    assert code_of(verify_receipt, made_up(), ledger=ledger, **words) == "RECEIPT_COMMITTEE"
    ledger = replace(ledger, has_root=lambda header: header.version == 1)
    assert code_of(verify_receipt, made_up(), ledger=ledger, **words) == "RECEIPT_ROOT"
