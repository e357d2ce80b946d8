"""What `kanhe verify` says of a certificate of deletion: who signed that it destroyed what, when.

No signature shows that something is gone. The certificate binds the member that signed it, and the
ledger holds its SHA-256: without the ledger both are claims, and listed as such.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

from node.crypto.verifying import Verification
from node.screening.envelope import DELETION_TYPE, read_envelope
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    list_of,
    malformed,
    read_address,
    read_hex,
    read_number,
    read_object,
)

MEMBER: Final = "deletion/1"
CUSTODIAN: Final = "custody-deletion/1"
_MAX_WORDS: Final = 64
_MAX32: Final = 2**32 - 1
_MAX256: Final = 2**256 - 1
#: What is destroyed of a lookup that found the entry: all from which it could be repeated.
RECEIPTS: Final = "receipts of its lookups that found it"
#: Of certificates of readers before they destroyed receipts.
KEPT_RECEIPTS: Final = "statement outside of its lookups' receipts"
NOT_PROVED: Final = (
    "that nothing was kept: a signature binds who gives its word, and shows no deletion",
    "what other members that looked the person up before hold of it: each certifies its own",
)
_STILL_HELD: Final = {
    RECEIPTS: "whom its lookups concerned, which it keeps for as long as an audit may open them",
    KEPT_RECEIPTS: "what its lookups' receipts still hold: salt and statement, by its own word",
}


def explain_deletion(data: bytes) -> Verification:
    """Return what a certificate of deletion proves.

    Raises an envelope's errors, and `InputError` PROOF_MALFORMED where it is in no known form.
    """
    envelope = read_envelope(data)
    assert envelope.type == DELETION_TYPE, "called for a certificate of deletion"
    body = read_object(envelope.payload, "payload")
    kind = body.get("kanhe")
    if kind not in {MEMBER, CUSTODIAN} or canonical_json(body) != envelope.payload:
        raise malformed("payload", "is no certificate of deletion in its one form")
    chain_id = read_number(body, "chain_id", _MAX256)
    contract = read_address(body, "contract", 20)
    entry, member = read_hex(body, "entry", 32), read_number(body, "member", _MAX32)
    day, words = _day(body.get("day")), list_of(body, "destroyed", _MAX_WORDS)
    if not words or not all(isinstance(word, str) for word in words):
        raise malformed("destroyed", "is no list of words")
    signers = envelope.signers()
    found = Verification()
    found.hold(
        "form", ok=True, yes="the certificate has the one form in which it is written", no=""
    )
    found.hold(
        "signature",
        ok=len(signers) == 1,
        yes=f"{signers[0]} signed it",
        no="it is signed by several; a member certifies alone",
    )
    if not found.ok:
        found.not_proved.append("anything: a certificate that does not hold proves nothing")
        return found
    who = f"custodian {member}" if kind == CUSTODIAN else f"member {member}"
    destroyed = ", ".join(str(word) for word in words)
    found.proved.append(
        f"{signers[0]} signed, for {who}, that on {day} it destroyed of entry {entry.hex()}: "
        f"{destroyed}"
    )
    digest = hashlib.sha256(data).hexdigest()
    if kind == MEMBER:
        found.not_proved.append(
            f"that it stands on the ledger: contract 0x{contract.hex()} of chain {chain_id} holds "
            f"its SHA-256, {digest}, in the event DeletionCertifiedBy; any node can be asked"
        )
    found.not_proved.append(f"that {signers[0]} was a key of member {member} then")
    found.not_proved += NOT_PROVED
    found.not_proved += [_STILL_HELD[word] for word in words if word in _STILL_HELD]
    return found


def _day(text: object) -> str:
    try:
        return dt.date.fromisoformat(str(text)).isoformat()
    except ValueError:
        raise malformed("day", "is no day YYYY-MM-DD") from None
