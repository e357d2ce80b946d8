"""What comes of a row: a draft of a listing, a refusal with its reason, or a row passed over."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from node.screening.identifiers import Identifier, IdType
from node.screening.listings import (
    SALT_BYTES,
    ActionTaken,
    Listing,
    Product,
    ProofLevel,
    Reason,
    committed,
)
from reconcile.canonical import canonical_json
from reconcile.commitment.tree import leaf_hash, merkle_root


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row says of a listing, or what is stated for every row; None where neither does.

    Days are since 1970-01-01, hashes 32 bytes, the month YYYY-MM.
    """

    id_type: IdType | None = None
    reason: Reason | None = None
    product: Product | None = None
    amount_band: int | None = None
    days_past_due_band: int | None = None
    event_month: str | None = None
    effective_from: int | None = None
    expires_at: int | None = None
    action: ActionTaken | None = None
    proof_level: ProofLevel | None = None
    notice_at: int | None = None
    notice_hash: bytes | None = None
    consent: bytes | None = None
    evidence: bytes | None = None

    def over(self, others: Facts) -> Facts:
        """Return these facts, completed by others where these say nothing."""
        said = {
            name: value
            for name in Facts.__dataclass_fields__
            if (value := getattr(self, name)) is not None
        }
        return replace(others, **said)


@dataclass(frozen=True, slots=True)
class Stated:
    """What holds for the whole import: who lists, on which day, under which profile.

    `facts` count where a row says nothing itself. `allow_test` takes identifiers that cannot exist.
    """

    uploader: int
    posted_day: int
    policy: str
    facts: Facts = field(default_factory=Facts)
    allow_test: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that becomes no draft: where, why, and what to do. It quotes nothing of the row."""

    line: int
    column: str | None
    code: str
    message: str
    help: str

    def to_json(self) -> dict[str, object]:
        """Return the refusal for a report."""
        return {
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "help": self.help,
        }


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something in the file that is no person to list, and why: counted, never silently lost."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What a source says of where it has something from; `facts` are the source's own words.

    `signed_at_source` says plainly whether anybody signed it there and whether that was verified.
    """

    source: str
    facts: Mapping[str, object]
    signed_at_source: str

    def document(self, salt: bytes) -> bytes:
        """Return the evidence that a detail releases; the salt keeps its hash from being guessed.

        A statement's id in OpenSanctions is a hash of the identifier without a salt.
        """
        return canonical_json(
            {
                "kanhe": "provenance/1",
                "salt": salt.hex(),
                "source": self.source,
                "signed_at_source": self.signed_at_source,
                **{name: value for name, value in self.facts.items() if value is not None},
            }
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """A row that may be listed: not committed yet, and its statement has no id of its own."""

    line: int
    identifier: Identifier
    listing: Listing
    origin: Origin
    evidence: bytes | None

    def __repr__(self) -> str:
        """Show the line, never the person."""
        return f"Checked(line={self.line})"

    def draft(self, randomness: Callable[[int], bytes] = secrets.token_bytes) -> Draft:
        """Return the draft, with its own id, salt, evidence and commitment."""
        documents = [self.origin.document(randomness(SALT_BYTES))]
        if self.evidence is not None:
            documents.append(self.evidence)
        root = merkle_root([leaf_hash(document) for document in documents])
        listing = msgspec.structs.replace(
            self.listing, entry_id=randomness(SALT_BYTES), evidence_root=root
        )
        salt = randomness(SALT_BYTES)
        whole = committed(listing, self.identifier, salt)
        return Draft(self.line, self.identifier, whole, salt, tuple(documents))


@dataclass(frozen=True, slots=True)
class Draft:
    """A listing that waits for its ticket: committed to the person under `salt`, not signed.

    `documents` are those of the evidence root: the origin, then the hash that the row names.
    """

    line: int
    identifier: Identifier
    listing: Listing
    salt: bytes
    documents: tuple[bytes, ...]

    @property
    def provenance(self) -> bytes:
        """Return the document that says where the row came from."""
        return self.documents[0]

    def __repr__(self) -> str:
        """Show line and entry, never person or salt."""
        return f"Draft(line={self.line}, entry={self.listing.entry_id.hex()[:16]})"


Outcome = Checked | Refused | PassedOver
