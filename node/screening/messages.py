"""What signed messages share: the network they are for, and their payload in its one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from node.crypto.eip712 import Domain
from node.screening.envelope import read_envelope
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    malformed,
    read_address,
    read_number,
    read_object,
)
from reconcile.model import ProtocolError, Where

#: A message has numbers, hashes and at most one consent with one certificate: 1 to 12 kB. Who is
#: sent one keeps it for as long as the entry stands, whatever else its sender wrote into it.
MAX_MESSAGE_BYTES: Final = 32 << 10
_MAX256: Final = 2**256 - 1


def network_json(domain: Domain) -> dict[str, object]:
    """Return which network and contract a message is for."""
    return {"chain_id": str(domain.chain_id), "contract": address_text(domain.contract)}


def read_network(body: Mapping[str, object]) -> Domain:
    """Read which network and contract a message is for; raises `InputError` PROOF_MALFORMED."""
    return Domain(read_number(body, "chain_id", _MAX256), read_address(body, "contract", 20))


def read_message(data: bytes, kind: str) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """Return the payload of an envelope of one type, and who signed it.

    Raises the envelope's errors, `ProtocolError` ENVELOPE_TYPE, `InputError` PROOF_MALFORMED unless
    the payload is canonical JSON and the whole at most `MAX_MESSAGE_BYTES` long.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise malformed("message", f"has {len(data):,} bytes, over {MAX_MESSAGE_BYTES:,}")
    envelope = read_envelope(data)
    if envelope.type != kind:
        raise ProtocolError(
            "ENVELOPE_TYPE",
            f"the envelope holds {envelope.type}, not {kind}",
            where=Where(field="type"),
            help="Ask the one who should have signed for it again.",
        )
    body = read_object(envelope.payload, "message")
    if canonical_json(body) != envelope.payload:
        raise malformed("message", "is not in its one form")
    return body, envelope.signers()
