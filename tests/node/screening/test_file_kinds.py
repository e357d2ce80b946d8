"""Certificates of deletion are verified; a file of another kind is named with what reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_people import UPLOADER, digest
from test_evidence import EXPORTER, evidence

from node.cli import main
from node.crypto.eip712 import Domain
from node.crypto.keyfile import KeyFacts, KeyRole, lock
from node.screening import envelope as envelopes
from node.screening.asking import read_consent_request, read_kyc_request
from node.screening.certificates import read_certificate
from node.screening.consent_files import read_consent_file, read_revocation_file
from node.screening.custody_messages import write_destroyed
from node.screening.deletions import explain_deletion
from node.screening.envelope import DELETION_TYPE, sign_envelope
from node.screening.evidence import sign_evidence
from node.screening.file_kinds import KINDS, kind_of
from node.screening.weighing import explain_envelope
from reconcile.canonical import canonical_json
from reconcile.model import KanheError

ENTRY = digest("entry")
BODY = {
    "kanhe": "deletion/1",
    "chain_id": "31337",
    "contract": "0x" + "11" * 20,
    "entry": ENTRY.hex(),
    "member": "9",
    "day": "2026-11-21",
    "destroyed": ["identifier", "salt"],
}
READERS = (
    read_kyc_request,
    read_consent_request,
    read_certificate,
    read_consent_file,
    read_revocation_file,
)


def certificate(**changes: object) -> bytes:
    """Return a member's certificate of deletion."""
    payload = canonical_json({**BODY, **changes})
    return sign_envelope(DELETION_TYPE, payload, [UPLOADER]).to_json()


def test_a_certificate_of_deletion_says_who_destroyed_what() -> None:
    """Signer, member, day, entry and words are proven; the ledger and the deed itself are not."""
    data = certificate()
    found = explain_envelope(data)
    assert found.ok
    (proved,) = found.proved
    for says in (UPLOADER.address, "member 9", "2026-11-21", ENTRY.hex(), "identifier, salt"):
        assert says in proved
    assert hashlib.sha256(data).hexdigest() in found.not_proved[0]
    assert any("nothing was kept" in line for line in found.not_proved)
    custodian = write_destroyed(Domain(1, b"\x11" * 20), ENTRY, 1, 3, "2026-11-21", UPLOADER)
    assert "custodian 3" in explain_deletion(custodian).proved[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"kanhe": "deletion/2"},
        {"entry": "ab"},
        {"member": "x"},
        {"day": "2026-02-30"},
        {"destroyed": []},
        {"destroyed": ["1", None]},
    ],
)
def test_a_certificate_in_no_known_form_is_refused(changes: dict[str, object]) -> None:
    """Each field is read; nothing is proven of what does not read."""
    with pytest.raises(KanheError) as caught:
        explain_deletion(certificate(**changes))
    assert caught.value.code == "PROOF_MALFORMED"


@given(st.data())
def test_every_changed_byte_of_a_certificate_is_found(data: st.DataObject) -> None:
    """Another byte is another signer, or no certificate."""
    good = certificate()
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = explain_envelope(bytes(changed))
    except KanheError:
        return
    assert UPLOADER.address not in "".join(found.proved)


def test_every_kind_of_envelope_has_its_words() -> None:
    """No type that this program writes is a stranger to it."""
    types = {value for name, value in vars(envelopes).items() if name.endswith("_TYPE")}
    assert types <= set(KINDS)


@pytest.mark.parametrize("read", READERS)
def test_a_file_of_another_kind_is_named(read: Callable[[bytes], object]) -> None:
    """What it is, and what reads it, wherever somebody gives it."""
    with pytest.raises(KanheError) as caught:
        read(sign_evidence(evidence(), EXPORTER))
    assert caught.value.code == "FILE_OTHER_KIND"
    assert "evidence bundle" in caught.value.message
    assert "kanhe verify" in caught.value.help


def test_the_command_names_what_it_does_not_verify(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A certificate of deletion holds; a wallet is called one, and nothing of it is shown."""
    path = tmp_path / "file.json"
    path.write_bytes(certificate())
    assert main(["verify", str(path)]) == 0
    assert "everything checked holds" in capfd.readouterr().out
    facts = KeyFacts("id", KeyRole.PERSON, None, "kanhe wallet")
    path.write_bytes(lock(b"secret", facts, "a long passphrase", scrypt_n=2))
    assert main(["verify", str(path)]) == 2
    said = capfd.readouterr().err
    assert "a person's wallet" in said
    assert "FILE_OTHER_KIND" in said
    for noise in (b"", b"{}", b"[]", b'{"kanhe":1}', b'{"payload":"', b"\xff", b'{"kanhe":"x"}'):
        assert kind_of(noise) is None


def test_a_file_s_words_forge_no_line_of_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever signed it chose them: line ends, escapes and turned text are spelled out."""
    forged = "salt\nproved: the ledger holds it\x1b[8m\u202e\u2028"
    path = tmp_path / "certificate.json"
    path.write_bytes(certificate(destroyed=[forged]))
    assert main(["verify", str(path)]) == 0
    said = capsys.readouterr().out
    assert "salt\\u000aproved: the ledger holds it\\u001b[8m\\u202e\\u2028" in said
    assert not any(line.startswith("proved: the ledger") for line in said.split("\n"))
    assert all(text.isprintable() for text in said.split("\n"))
