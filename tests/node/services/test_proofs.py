from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.bundle import file_bytes
from node.crypto.verifying import verify_bytes
from reconcile.model import InputError, Side, UsageError
from tests.node.services.conftest import DATE, WINDOW, Pair, csv_of, entry, fresh_pair

ROWS = [f"s1,IN,10.00,{DATE},E2E-0001", f"s2,OUT,5.00,{DATE},E2E-0002"]


@pytest.fixture(scope="module")
def pair(founded_pair: Pair) -> Iterator[Pair]:
    """One pair for all: they only read the agreed day."""
    with fresh_pair(founded_pair) as lent_pair:
        yield lent_pair


@pytest.fixture(scope="module")
def agreed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An agreement with one agreed day."""
    agreement = pair.agreement()
    folder = tmp_path_factory.mktemp("books")
    pair.servicer.posting.import_file(agreement, csv_of(folder / "s.csv", ROWS))
    pair.owner.posting.queue_entries(agreement, [entry("o1", 1_000, e2e="E2E-0001")])
    pair.settle()
    pair.day(agreement)
    return agreement


@pytest.fixture(scope="module")
def bundle(pair: Pair, agreed: bytes) -> bytes:
    """The day's report bundle as it is written."""
    return file_bytes(pair.owner.proofs.bundle(agreed, WINDOW))


def test_a_bundle_verifies_without_a_node(bundle: bytes) -> None:
    """Report, groups and both signatures are proven, and what is not is said."""
    found = verify_bytes(bundle)
    assert found.ok, found.checks
    assert any("servicer" in line for line in found.proved)
    assert found.not_proved


@given(st.data())
def test_no_changed_byte_of_a_bundle_verifies(bundle: bytes, data: st.DataObject) -> None:
    """Changing any one byte is found: refused as no such file, or a check fails."""
    at = data.draw(st.integers(0, len(bundle) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != bundle[at]))
    changed = bundle[:at] + bytes([other]) + bundle[at + 1 :]
    try:
        found = verify_bytes(changed)
    except InputError:
        return
    assert not found.ok


def test_one_record_is_disclosed_alone(pair: Pair, agreed: bytes) -> None:
    """A record's proof holds the record and nothing of its neighbours; both nodes can make it."""
    for node in pair.nodes:
        body = node.proofs.record_proof(agreed, Side.SERVICER, "s2", window=WINDOW)
        data = file_bytes(body)
        assert verify_bytes(data).ok
        assert b"E2E-0001".hex().encode() not in data
        assert b"E2E-0002".hex().encode() in data


def test_what_is_not_agreed_has_no_proof(pair: Pair, agreed: bytes) -> None:
    """A window that is not agreed, and an entry nobody posted, are refused in words."""
    with pytest.raises(UsageError, match="WINDOW_NOT_AGREED"):
        pair.owner.proofs.bundle(agreed, WINDOW + 8)
    with pytest.raises(UsageError, match="ENTRY_UNKNOWN"):
        pair.owner.proofs.record_proof(agreed, Side.OWNER, "nobody", window=WINDOW)


def test_a_stream_verifies_whole(pair: Pair, agreed: bytes) -> None:
    """A side's sealed stream re-hashes to the signed head without any key."""
    data = file_bytes(pair.servicer.proofs.stream(agreed, Side.OWNER, WINDOW))
    assert verify_bytes(data).ok


def test_audit_compares_the_book_with_the_ledger(pair: Pair, agreed: bytes, tmp_path: Path) -> None:
    """The own book agrees; a changed, a missing and an extra line are each named."""
    same = pair.servicer.proofs.audit(agreed, csv_of(tmp_path / "same.csv", ROWS))
    assert same.ok
    other = [f"s1,IN,10.01,{DATE},E2E-0001", f"s9,IN,1.00,{DATE},E2E-0009"]
    found = pair.servicer.proofs.audit(agreed, csv_of(tmp_path / "other.csv", other))
    kinds = {(str(row.kind), row.entry_ref, row.field) for row in found.rows}
    assert kinds == {
        ("COMMITMENT", "s1", "amount_minor"),
        ("BOOK_ONLY", "s9", None),
        ("LEDGER_ONLY", "s2", None),
    }
