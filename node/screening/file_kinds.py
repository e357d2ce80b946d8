"""What kind of file somebody gave, and which command reads it: a wrong one is named, not rejected.

Told by its type alone; nothing of it is verified here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from node.screening.envelope import (
    ATTESTATION_TYPE,
    CONSENT_REQUEST_TYPE,
    CUSTODY_RELEASE_TYPE,
    CUSTODY_REQUEST_TYPE,
    CUSTODY_TYPE,
    DELETION_TYPE,
    DETAIL_REQUEST_TYPE,
    EVIDENCE_TYPE,
    KYC_REQUEST_TYPE,
    KYC_TYPE,
    LISTING_TYPE,
    PERSON_ANSWER_TYPE,
    PERSON_REQUEST_TYPE,
    RECEIPT_TYPE,
    REDUCED_RECEIPT_TYPE,
    RELEASE_TYPE,
)
from reconcile.model import InputError, Where

CONSENT: Final = "consent/1"
REVOCATION: Final = "revocation/1"
WALLET: Final = "wallet"
KEY: Final = "key"


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: its type, what it is in words, what reads it."""

    type: str
    what: str
    reader: str


_NODES: Final = "nodes exchange it by themselves, no command reads it"
KINDS: Final[Mapping[str, FileKind]] = {
    kind.type: kind
    for kind in (
        FileKind(RECEIPT_TYPE, "a lookup's receipt", "`kanhe verify` reads it"),
        FileKind(REDUCED_RECEIPT_TYPE, "what is left of a receipt", "`kanhe verify` reads it"),
        FileKind(EVIDENCE_TYPE, "an entry's evidence bundle", "`kanhe verify` reads it"),
        FileKind(DELETION_TYPE, "a certificate of deletion", "`kanhe verify` reads it"),
        FileKind(
            KYC_TYPE,
            "a member's certificate of a person's key",
            "`kanhe person consent | entries | receipts | dispute --certificate` take it",
        ),
        FileKind(
            KYC_REQUEST_TYPE,
            "a person's request to have her key certified",
            "`kanhe blacklist certify` reads it",
        ),
        FileKind(
            CONSENT_REQUEST_TYPE,
            "a reader's request for consent",
            "`kanhe person consent` reads it",
        ),
        FileKind(
            PERSON_REQUEST_TYPE,
            "a person's request to a member",
            "`kanhe blacklist answer-person` reads it, and `kanhe person entries | receipts "
            "--request`",
        ),
        FileKind(
            PERSON_ANSWER_TYPE,
            "a member's answer to a person",
            "`kanhe person entries | receipts --request … --answer` reads it",
        ),
        FileKind(
            LISTING_TYPE, "a signed statement", "it stands in evidence, which `kanhe verify` reads"
        ),
        FileKind(
            DETAIL_REQUEST_TYPE,
            "a reader's request for a detail",
            "`kanhe blacklist detail release` reads it",
        ),
        FileKind(
            RELEASE_TYPE,
            "a receipt of a detail's release",
            "`kanhe blacklist detail open` takes it",
        ),
        FileKind(ATTESTATION_TYPE, "a reader's attestation of a hit", _NODES),
        FileKind(CUSTODY_TYPE, "a share for a custodian", _NODES),
        FileKind(CUSTODY_REQUEST_TYPE, "a request to a custodian", _NODES),
        FileKind(CUSTODY_RELEASE_TYPE, "a custodian's release", _NODES),
        FileKind(
            CONSENT,
            "a consent that a person signed",
            "`kanhe blacklist consent` and `kanhe person revoke` read it",
        ),
        FileKind(
            REVOCATION,
            "a person's revocation of a consent",
            "`kanhe blacklist revoke` reads it; whoever holds it can revoke",
        ),
        FileKind(
            WALLET,
            "a person's wallet",
            "`kanhe person … --wallet` opens it with its passphrase; show it to nobody",
        ),
        FileKind(KEY, "a key of a node", "`kanhe` opens it in its home; show it to nobody"),
    )
}


class _Envelope(msgspec.Struct):
    payloadType: str  # noqa: N815 - DSSE's own name
    payload: str


class _Key(msgspec.Struct):
    role: str


class _Plain(msgspec.Struct):
    kanhe: str | _Key


def kind_of(data: bytes) -> FileKind | None:
    """Return the kind of a file that this program writes for the blacklist; None for any other."""
    try:
        if data.startswith(b'{"payload":"'):
            return KINDS.get(msgspec.json.decode(data, type=_Envelope).payloadType)
        said = msgspec.json.decode(data, type=_Plain).kanhe
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(said, _Key):
        return KINDS[WALLET if said.role == "PERSON" else KEY]
    return KINDS.get(said)


def require_kind(data: bytes, wanted: str) -> None:
    """Refuse a file of another kind that is known, `InputError` FILE_OTHER_KIND."""
    found = kind_of(data)
    if found is not None and found.type != wanted:
        raise other_kind(found, KINDS[wanted].what)


def other_kind(found: FileKind, wanted: str) -> InputError:
    """Return the refusal of a file of another kind than wanted."""
    return InputError(
        "FILE_OTHER_KIND",
        f"the file is {found.what}, not {wanted}",
        where=Where(field="file"),
        help=found.reader,
    )
