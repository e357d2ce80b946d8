"""What travels of a custody: deposits, a reader's request, a custodian's share and its receipt.

A custodian is not to learn whom an entry concerns: the request to it carries the consent without
the salt that opens it, and encloses the reader's request to the uploader sealed to the uploader's
key. That the reader found this very entry by a lookup of that person is shown by a second
signature, whose key follows from the salt inside the entry's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec

from node.crypto.eip712 import Domain
from node.crypto.signer import Signer
from node.screening.consents import SignedConsent
from node.screening.envelope import (
    CUSTODY_RELEASE_TYPE,
    CUSTODY_REQUEST_TYPE,
    DELETION_TYPE,
    sign_envelope,
)
from node.screening.messages import MAX_MESSAGE_BYTES, network_json, read_message, read_network
from node.screening.receipts import blind_consent_json, read_blind_consent
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import map_of, read_hex, read_number
from reconcile.model import ProtocolError, Where

FORMAT: Final = 1
MAX_DEPOSITS: Final = 100
#: Custodies of one entry that stand beside each other while its custodians change.
MAX_GENERATIONS: Final = 4
MAX_RELEASE_BYTES: Final = 4 << 10
_SEALED: Final = b"kanhe/custody-request/1"
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_Message = TypeVar("_Message")
_Request = Annotated[bytes, msgspec.Meta(max_length=MAX_MESSAGE_BYTES)]
_Release = Annotated[bytes, msgspec.Meta(max_length=MAX_RELEASE_BYTES)]

WAITING: Final = "WAITING"
ANSWERED: Final = "ANSWERED"
REFUSED: Final = "REFUSED"
RELEASED: Final = "RELEASED"


@dataclass(frozen=True, slots=True)
class CustodyRequest:
    """Who asks custodians for which entry's evidence, with which ticket and consent.

    `salt` opens what the ticket was bought for. `consent` is without its own. `recipient` names
    the reader in a recall; `enclosed` is SHA-256 of the sealed request to the uploader.
    """

    domain: Domain
    entry: bytes
    reader: int
    ticket: int
    salt: bytes
    element: bytes
    consent: SignedConsent
    recipient: bytes
    enclosed: bytes


@dataclass(frozen=True, slots=True)
class CustodyRelease:
    """What a custodian signs: its share of which custody it gave to whom, on which consent.

    `share` is the share times the base point: it names a wrong share without showing it.
    """

    domain: Domain
    entry: bytes
    uploader: int
    custodian: int
    generation: int
    reader: int
    ticket: int
    consent: bytes
    recipient: bytes
    share: bytes
    silent_since_s: int


class Deposit(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """One custody as it goes to one custodian; `share` is sealed to its key of `sealing`."""

    manifest: bytes
    sealing: int
    share: bytes
    detail: bytes


class Deposits(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What goes to one custodian at once."""

    items: Annotated[list[Deposit], msgspec.Meta(max_length=MAX_DEPOSITS)]


class Taken(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a custodian says of each deposit: "" where it keeps it, else why not."""

    codes: list[str]


class Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A custodian's share as it goes to a reader; `detail` is empty where it was not wanted."""

    manifest: bytes
    sealing: int
    share: bytes
    receipt: bytes
    detail: bytes


class Ask(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A request with the sealed one that it encloses; `sealing` is the uploader's generation."""

    request: _Request
    sealing: int
    enclosed: _Request
    wants_detail: bool = True


class Told(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a custodian hands on to the uploader; `receipt` is empty before it released."""

    request: _Request
    sealing: int
    enclosed: _Request
    receipts: Annotated[list[_Release], msgspec.Meta(max_length=MAX_GENERATIONS)]


class Answer(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What became of a request at one custodian.

    WAITING: shares are given from `from_s`. ANSWERED: `package` is the uploader's. REFUSED: the
    uploader refused it with `code` and `says`. RELEASED: `parts`, one a custody held.
    """

    state: str
    from_s: int = 0
    package: bytes = b""
    code: str = ""
    says: str = ""
    parts: list[Part] = []


class Drop(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An uploader takes one custody back."""

    entry: bytes
    generation: int


class _Framed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    format: int
    body: msgspec.Raw


def pack(message: object) -> bytes:
    """Return a message's bytes."""
    return msgspec.msgpack.encode([FORMAT, msgspec.Raw(msgspec.msgpack.encode(message))])


def unpack(data: bytes, kind: type[_Message]) -> _Message:
    """Read a message; raises `ProtocolError` CUSTODY_MALFORMED."""
    try:
        framed = msgspec.msgpack.decode(data, type=_Framed)
        if framed.format == FORMAT:
            return msgspec.msgpack.decode(framed.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise ProtocolError(
        "CUSTODY_MALFORMED",
        "the message about a custody does not read",
        where=Where(field="custody"),
        help="the other node's release may be another; nothing of it was kept",
    )


def enclosed_info(domain: Domain, entry: bytes, ticket: int) -> bytes:
    """Bind a sealed request to its place."""
    network = domain.chain_id.to_bytes(32, "big") + domain.contract
    return _SEALED + network + entry + ticket.to_bytes(8, "big")


# ------------------------------------------------------------------------------- requests
def write_custody_request(request: CustodyRequest, reader: Signer, claim: Signer) -> bytes:
    """Return the envelope of a request, signed by the reader and by the entry's own key."""
    body = {
        **network_json(request.domain),
        "entry": request.entry.hex(),
        "reader": str(request.reader),
        "ticket": str(request.ticket),
        "salt": request.salt.hex(),
        "element": request.element.hex(),
        "consent": blind_consent_json(request.consent),
        "recipient": request.recipient.hex(),
        "enclosed": request.enclosed.hex(),
    }
    return sign_envelope(CUSTODY_REQUEST_TYPE, canonical_json(body), [reader, claim]).to_json()


def read_custody_request(data: bytes) -> tuple[CustodyRequest, tuple[str, ...]]:
    """Return a request and who signed it; raises the envelope's errors, PROOF_MALFORMED."""
    body, signers = read_message(data, CUSTODY_REQUEST_TYPE)
    found = CustodyRequest(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        read_hex(body, "salt", 32),
        read_hex(body, "element", 32),
        read_blind_consent(map_of(body, "consent")),
        read_hex(body, "recipient", 32),
        read_hex(body, "enclosed", 32),
    )
    return found, signers


# ------------------------------------------------------------------------------- receipts
def write_custody_release(release: CustodyRelease, signer: Signer) -> bytes:
    """Return the signed envelope of a custodian's release."""
    body = {
        **network_json(release.domain),
        "entry": release.entry.hex(),
        "uploader": str(release.uploader),
        "custodian": str(release.custodian),
        "generation": str(release.generation),
        "reader": str(release.reader),
        "ticket": str(release.ticket),
        "consent": release.consent.hex(),
        "recipient": release.recipient.hex(),
        "share": release.share.hex(),
        "silent_since_s": str(release.silent_since_s),
    }
    return sign_envelope(CUSTODY_RELEASE_TYPE, canonical_json(body), [signer]).to_json()


def read_custody_release(data: bytes) -> tuple[CustodyRelease, tuple[str, ...]]:
    """Return a release and who signed it; raises the envelope's errors, PROOF_MALFORMED."""
    body, signers = read_message(data, CUSTODY_RELEASE_TYPE)
    found = CustodyRelease(
        read_network(body),
        read_hex(body, "entry", 32),
        read_number(body, "uploader", _MAX32),
        read_number(body, "custodian", _MAX32),
        read_number(body, "generation", _MAX32),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        read_hex(body, "consent", 32),
        read_hex(body, "recipient", 32),
        read_hex(body, "share", 32),
        read_number(body, "silent_since_s", _MAX64),
    )
    return found, signers


# ------------------------------------------------------------------------------- destroyed
def write_destroyed(
    domain: Domain, entry: bytes, generation: int, custodian: int, day: str, signer: Signer
) -> bytes:
    """Return a custodian's signed word that its share and the encrypted detail are destroyed."""
    body: dict[str, Any] = {
        "kanhe": "custody-deletion/1",
        **network_json(domain),
        "entry": entry.hex(),
        "generation": str(generation),
        "member": str(custodian),
        "day": day,
        "destroyed": ["share of the detail's key", "encrypted detail"],
    }
    return sign_envelope(DELETION_TYPE, canonical_json(body), [signer]).to_json()


def read_destroyed(data: bytes) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """Return what a custodian destroyed and who signed that; PROOF_MALFORMED."""
    body, signers = read_message(data, DELETION_TYPE)
    read_hex(body, "entry", 32)
    read_number(body, "generation", _MAX32)
    read_number(body, "member", _MAX32)
    return body, signers
