"""What is left of a receipt shows that a lookup was made, and nothing from which to repeat it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_people import person_of
from test_consents import KEYS, READER
from test_receipts import make

from node.screening.deletions import KEPT_RECEIPTS, RECEIPTS, explain_deletion
from node.screening.envelope import REDUCED_RECEIPT_TYPE, read_envelope, sign_envelope
from node.screening.receipts import Receipt
from node.screening.reduced import (
    Reduced,
    explain_reduced,
    read_reduced,
    reduced_of,
    sign_reduced,
    write_reduced,
)
from node.screening.weighing import explain_envelope
from reconcile.model import KanheError

RECEIPT = make(1, listed=True)
(ERASED,) = RECEIPT.entries


def left(receipt: Receipt = RECEIPT, **changes: object) -> Reduced:
    """Return what is left of a receipt."""
    found = reduced_of(
        receipt, outcome="HIT", level=3, looked_up_at_s=1_700, erased=ERASED, destroyed_day=20_000
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def signed(what: Reduced) -> bytes:
    """Sign it as its reader does."""
    return sign_reduced(what, KEYS[READER])


def test_nothing_is_left_from_which_the_lookup_is_repeated() -> None:
    """Neither identifier nor blind, salt, answers, records or another entry."""
    data = read_envelope(signed(left())).payload.decode()
    hidden = [
        person_of(1).value,
        RECEIPT.blind.hex(),
        RECEIPT.consent.salt.hex(),
        RECEIPT.consent.consent.person.hex(),
        *(item.hex() for item in RECEIPT.batch[1:]),
        *(item.hex() for answer in RECEIPT.answers for item in answer.evaluated),
        RECEIPT.proof.bucket.hex()[:64],
    ]
    assert not [word for word in hidden if word in data]
    assert read_reduced(data.encode()) == left()


def test_it_proves_who_asked_with_which_ticket_and_says_the_rest() -> None:
    """Reader, ticket and consent follow from signatures; outcome and erasure are its word."""
    found = explain_envelope(signed(left()))
    assert found.ok
    proved = " ".join(found.proved)
    assert f"member {READER} asked with ticket 7" in proved
    assert "was a HIT" in proved
    assert any("the reader's word" in one for one in found.not_proved)
    assert any("certificates of deletion" in one for one in found.not_proved)
    # Receipts of an earlier release have no countersignatures: it says so, and holds.
    older = explain_reduced(signed(left(countersignatures=())))
    assert older.ok
    assert "no node countersigned" in [check.says for check in older.checks]


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation_signature": bytes(65)},
        {"countersignatures": ((2, bytes(65)),)},
    ],
)
def test_what_nobody_signed_proves_nothing(changes: dict[str, object]) -> None:
    """A signature that is none is a check that fails."""
    found = explain_reduced(signed(left(**changes)))
    assert not found.ok
    assert found.proved == []


def test_two_signers_prove_nothing() -> None:
    """A reader signs alone."""
    keys = [KEYS[READER], KEYS[1]]
    data = sign_envelope(REDUCED_RECEIPT_TYPE, write_reduced(left()), keys).to_json()
    assert not explain_reduced(data).ok


@given(st.data())
def test_every_changed_byte_is_found(data: st.DataObject) -> None:
    """Another byte is another signer, or no reduced receipt."""
    good = signed(left())
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = explain_envelope(bytes(changed))
    except KanheError:
        return
    assert f"{KEYS[READER].address} signed it" not in [check.says for check in found.checks]


@pytest.mark.parametrize("name", [field.name for field in fields(Reduced)])
def test_every_field_is_read(name: str) -> None:
    """Without it, or with noise in it, the file is none."""
    body = write_reduced(left())
    word = {"domain": "contract"}.get(name, name).encode()
    begins = body.index(b'"' + word + b'":')
    noise = body[:begins] + body[begins:].replace(b'":', b'":[{}],"x":', 1)
    for wrong in (body[:begins] + b'"x' + body[begins + 1 :], noise, b"{}", b"[]"):
        with pytest.raises(KanheError) as caught:
            read_reduced(wrong)
        assert caught.value.code == "PROOF_MALFORMED"


def test_certificates_of_both_kinds_say_what_is_still_held() -> None:
    """Readers' older ones kept their receipts; the present ones whom the lookups concerned."""
    from test_file_kinds import certificate

    for word, held in [(KEPT_RECEIPTS, "salt and statement"), (RECEIPTS, "an audit may open")]:
        found = explain_deletion(certificate(destroyed=["evidence", word]))
        assert found.ok
        assert word in found.proved[0]
        assert any(held in one for one in found.not_proved)
