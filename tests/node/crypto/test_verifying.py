from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.bundle import file_bytes, parse_bundle, read_json
from node.crypto.verifying import ONLY_LEDGER, verify_bytes
from reconcile.model import InputError, Side

Scene = Any  # the fixture `scene` of conftest.py
KINDS = ["report", "record", "stream", "unsigned"]


def failed(data: bytes) -> set[str]:
    """Return the names of the checks that failed; nothing is proved beside them."""
    found = verify_bytes(data)
    assert not found.ok
    assert found.proved == []
    return {check.name for check in found.checks if not check.ok}


# ------------------------------------------------------------------ what holds
@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_file_holds(scene: Scene, kind: str) -> None:
    """Every check of an honest file holds, and what it proves is said in words."""
    found = verify_bytes(scene.files[kind])
    assert found.ok, [check for check in found.checks if not check.ok]
    assert all(check.says for check in found.checks)
    assert found.proved
    assert found.not_proved
    body = found.to_json()
    assert body["ok"] is True
    assert set(body) == {"checks", "proved", "not_proved", "ok"}


def test_a_bundle_says_who_signed_and_what_is_not_proved(scene: Scene) -> None:
    """Both approvers are named; roles, revisions and the ledger's record are left to events."""
    found = verify_bytes(scene.bundle())
    text = " ".join(found.proved)
    for signed in scene.signed().attestations:
        assert f"0x{signed.approver.hex()}" in text
    assert set(ONLY_LEDGER) <= set(found.not_proved)
    names = {check.name for check in found.checks}
    assert {"form", "digest", "groups", "proof", "names", "signed_by_all"} <= names
    assert {"signature_servicer", "signature_owner"} <= names


def test_a_record_proof_says_the_record(scene: Scene) -> None:
    """The disclosed entry is said with its place, and its neighbours are not in the file."""
    data = scene.record(report=False)
    found = verify_bytes(data)
    assert any("entry S1 version 0, IN 1.00 CNY" in line for line in found.proved)
    first, second = scene.servicer.plains[0].items[1:]
    assert first.hex().encode() in data
    assert second.hex().encode() not in data


def test_a_record_proof_needs_no_report(scene: Scene) -> None:
    """Without the report the record is proven; that its batch counted is not."""
    found = verify_bytes(scene.record(report=False))
    assert found.ok
    assert any("batch counted" in line for line in found.not_proved)


def test_a_header_can_be_disclosed(scene: Scene) -> None:
    """Leaf 0 is proven like a record."""
    found = verify_bytes(scene.record(index=0))
    assert found.ok
    assert any("the header of batch 1 with 2 records" in line for line in found.proved)


def test_an_unsigned_report_is_said_to_be_unsigned(scene: Scene) -> None:
    """The output of `kanhe match` is checked, and nobody is said to have signed it."""
    found = verify_bytes(scene.unsigned)
    assert any("no signature" in line for line in found.not_proved)


def test_a_represented_side_does_not_sign(scene: Scene) -> None:
    """One signature suffices where the file says so, and that is left to the ledger."""
    alone = scene.signed(Side.SERVICER, represented=Side.OWNER)
    found = verify_bytes(scene.bundle(alone))
    assert found.ok
    assert any("represented" in line for line in found.not_proved)
    assert failed(scene.bundle(scene.signed(represented=Side.OWNER))) == {"signed_by_all"}


def test_a_file_reads_back_as_it_was_written(scene: Scene) -> None:
    """Parsing gives the values that were written."""
    bundle = parse_bundle(read_json(scene.bundle()))
    assert bundle.result == scene.signed()
    assert bundle.report == scene.result.report
    assert parse_bundle(read_json(scene.record())).proof == scene.proof()
    assert parse_bundle(read_json(scene.stream())).batches == scene.servicer.payloads


# ------------------------------------------------------------------ what is found
@pytest.mark.parametrize("kind", KINDS[:3])
def test_any_changed_byte_of_a_file_is_found(scene: Scene, kind: str) -> None:
    """One changed byte anywhere: the file is refused, or a check fails and nothing is proved."""
    honest = scene.files[kind]

    @given(st.integers(0, len(honest) - 1), st.integers(1, 255))
    @settings(max_examples=150)
    def holds(at: int, change: int) -> None:
        changed = bytearray(honest)
        changed[at] ^= change
        try:
            found = verify_bytes(bytes(changed))
        except InputError:
            return
        assert not found.ok
        assert found.proved == []

    holds()


def test_every_byte_of_the_signed_part_is_held(scene: Scene) -> None:
    """Exhaustively: no byte of result and signatures can be another without being found."""
    honest = scene.record(report=False)
    start = honest.index(b'"result"')
    for at in range(start, len(honest)):
        changed = bytearray(honest)
        changed[at] ^= 1
        try:
            found = verify_bytes(bytes(changed))
        except InputError:
            continue
        assert not found.ok, at


@given(st.data())
@settings(max_examples=60)
def test_a_changed_byte_of_a_stored_batch_is_found(scene: Scene, data: st.DataObject) -> None:
    """One changed byte of one payload, and the head is another."""
    batches = list(scene.servicer.payloads)
    number = data.draw(st.integers(0, len(batches) - 1))
    payload = bytearray(batches[number].payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    batches[number] = dataclasses.replace(batches[number], payload=bytes(payload))
    assert failed(scene.stream(batches)) == {"head"}


def test_a_report_that_was_signed_for_other_heads_is_found(scene: Scene) -> None:
    """Both may sign what the report contradicts: the names are compared."""
    assert failed(scene.bundle(scene.signed(owner_head=bytes(32)))) == {"names"}


def test_a_missing_signature_is_found(scene: Scene) -> None:
    """A bundle of a bilateral agreement with one signature is not proof of both."""
    assert failed(scene.bundle(scene.signed(Side.SERVICER))) == {"signed_by_all"}


def test_a_record_of_an_excluded_batch_is_said_to_be(scene: Scene) -> None:
    """A record in a batch that both sides excluded is in the stream and does not count."""
    assert failed(scene.record(seq=2, index=0)) == {"counted"}


def test_an_omitted_or_renumbered_batch_is_found(scene: Scene) -> None:
    """A stream is whole from seq 1 to the signed head."""
    batches = list(scene.servicer.payloads)
    assert failed(scene.stream(batches[:-1])) == {"head"}
    assert failed(scene.stream(batches[1:])) == {"sequence", "head"}
    assert failed(scene.stream(batches, Side.OWNER)) == {"head"}


def test_one_key_does_not_sign_for_both(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key belongs to one member for ever: a bundle whose two signatures are by one is false."""
    names = type(scene).signed.__globals__
    only = names["APPROVERS"][Side.SERVICER]
    monkeypatch.setitem(names, "APPROVERS", dict.fromkeys(Side, only))
    assert failed(scene.bundle(scene.signed())) == {"two_approvers"}


def test_a_day_that_no_calendar_holds_is_refused(scene: Scene) -> None:
    """A window whose day lies beyond the calendar is a malformed file, not a failure."""
    body = json.loads(scene.files["report"])
    body["result"]["window"] = str(2**32 - 2)
    with pytest.raises(InputError) as caught:
        verify_bytes(file_bytes(body))
    assert caught.value.code == "PROOF_MALFORMED"
