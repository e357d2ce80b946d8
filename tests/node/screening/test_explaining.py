from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from listed_people import UPLOADER, digest, make_listing, person_of
from test_consents import CA, CA_KEY, DOMAIN, KEYS, READER, SALT, authority
from test_receipts import make, signed

from node.cli import main
from node.screening.consents import Level, SignedConsent
from node.screening.explaining import explain_receipt, read_authorities
from node.screening.verifying import request_of
from reconcile.model import ZERO32


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run a command line and return its exit code and what it printed."""
    code = main(list(words))
    return code, capsys.readouterr().out


@pytest.fixture
def hit(tmp_path: Path) -> Path:
    """A receipt of a lookup that found an entry."""
    path = tmp_path / "hit.json"
    path.write_bytes(signed(make(1, listed=True)))
    return path


def test_a_hit_is_told_in_words(hit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`kanhe verify` says who listed whom until when, and what the ledger alone knows."""
    code, said = run(capsys, "verify", str(hit), "--test-identifiers")
    assert code == 0
    assert make_listing(1).entry_id.hex()[:16] in said
    assert "OVERDUE_M3 by member 9, in force 2026-11-20 to 2029-08-16" in said
    assert f"not proved here: that {UPLOADER.address} was a key of member 9 then" in said
    assert "not proved here: that the root stands on the ledger" in said
    assert person_of(1).value not in said


def test_an_absence_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a person who is not listed it says so, with version, epoch and cut block."""
    path = tmp_path / "miss.json"
    path.write_bytes(signed(make(5, listed=False)))
    code, said = run(capsys, "verify", str(path), "--test-identifiers", "--json", "-")
    found = json.loads(said)
    assert code == 0
    assert found["ok"]
    (proved,) = found["proved"]
    assert proved.startswith("no entry concerned CN-RID …")
    assert "index version 1 of key epoch 1, cut at block 5" in proved
    assert proved.endswith("if that root stands on the ledger")


def test_a_false_receipt_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A receipt that claims other entries than its bucket holds ends with 1 and the reason."""
    path = tmp_path / "false.json"
    path.write_bytes(signed(replace(make(1, listed=True), entries=(digest("x"),))))
    code, said = run(capsys, "verify", str(path), "--test-identifiers")
    assert code == 1
    assert "FAIL  receipt: RECEIPT_ENTRIES" in said
    assert "proved: " not in said.replace("not proved here: ", "")


def test_a_consent_at_a_time_without_a_date_is_a_check_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A receipt whose consent of an authority begins past every calendar: no traceback, but why."""
    receipt = make(1, listed=True)
    far = replace(
        receipt.consent.consent,
        level=Level.AUTHORITY,
        blinded=ZERO32,
        valid_from_s=2**63,
        valid_to_s=2**63 + 60,
    )
    own = ec.generate_private_key(ec.SECP256R1())
    certified = authority(CA_KEY, "UTO", "Test authority", own.public_key())
    signature = own.sign(far.digest(DOMAIN), ec.ECDSA(SHA256()))
    consent = SignedConsent(far, SALT, signature, certified.public_bytes(Encoding.DER))
    receipt = replace(receipt, consent=consent, countersignatures=())
    asked = KEYS[READER].sign_digest(request_of(receipt))
    path, ca = tmp_path / "far.json", tmp_path / "ca.pem"
    path.write_bytes(signed(replace(receipt, evaluation_signature=asked)))
    ca.write_bytes(CA.public_bytes(Encoding.PEM))
    code, said = run(capsys, "verify", str(path), "--test-identifiers", "--authority", str(ca))
    assert code == 1
    assert "FAIL  receipt: CONSENT_CERTIFICATE" in said


def test_people_who_cannot_exist_are_refused_in_earnest(
    hit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the option a receipt about region 99 is refused as bad input."""
    assert main(["verify", str(hit)]) == 2
    assert "IDENTIFIER_COMPONENT" in capsys.readouterr().err


def test_a_changed_or_cut_file_is_refused(code_of: Callable[..., str]) -> None:
    """A file that begins as an envelope and is none is bad input."""
    data = signed(make(1, listed=True))
    assert code_of(explain_receipt, data[:-2], allow_test=True) == "ENVELOPE_MALFORMED"
    assert code_of(read_authorities, [b"no certificate"]) == "AUTHORITY_MALFORMED"
