"""What posting answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconcile.model import Balance, Contradiction, Entry, Side
from reconcile.statements import Profile


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is to be read; the words of `kanhe import`."""

    profile: str | None = None
    perspective: str | None = None
    currency: str | None = None
    lenient: bool = False
    accept_map: bool = False
    account: str | None = None
    # Profiles that count before those of the node's folder, e.g. one named on the command line.
    own: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What one file gave: `known` says that these very bytes were imported before.

    `queued` entries wait to be posted, `already` stood with equal content; `per_window` counts
    the queued ones; `warnings` name gaps, what is odd and late entries in words.
    """

    file: str
    file_sha256: str
    known: bool
    format: str
    profile: str | None
    queued: int
    already: int
    per_window: tuple[tuple[int, int], ...]
    contradictions: tuple[Contradiction, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was refused whole; the reason stands in `reason_file` too."""

    file: str
    code: str
    message: str
    reason_file: Path


@dataclass(frozen=True, slots=True)
class Stated:
    """Balances of one window, per currency, as the source states them."""

    opening: dict[str, Balance] = field(default_factory=dict)
    closing: dict[str, Balance] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much waits: records not sealed, the oldest one's time, batches not yet final."""

    records: int
    oldest_ms: int | None
    batches_in_flight: int


@dataclass(frozen=True, slots=True)
class HeldRecords:
    """Records that do not count, by verdict: `seq` names their batch, None if it was not sent."""

    agreement: bytes
    side: Side
    seq: int | None
    reason: str
    records: int
    window: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class DiscardView:
    """Held records that somebody wants to give up, as maker and checker see them.

    `records`: {"row", "type", "entry_ref", "version", "window", "batch", "verdict", "sha256"}.
    `state`: DRAFTED, DONE, REJECTED.
    """

    discard_id: int
    agreement: bytes
    side: Side
    records: tuple[dict[str, Any], ...]
    reason: str
    state: str
    maker: str
    made_at_ms: int
    checker: str | None
    check_reason: str | None
    body_sha256: bytes

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "discard": str(self.discard_id),
            "agreement": self.agreement.hex(),
            "side": self.side.word,
            "records": list(self.records),
            "reason": self.reason,
            "state": self.state,
            "maker": self.maker,
            "made_at_ms": str(self.made_at_ms),
            "checker": self.checker,
            "check_reason": self.check_reason,
            "body_sha256": self.body_sha256.hex(),
        }


@dataclass(frozen=True, slots=True)
class HeldIntent:
    """A call that the chain would not take; `code` and `says` are its answer."""

    intent_id: int
    call: str
    agreement: bytes | None
    side: Side | None
    seq: int | None
    attempts: int
    code: str
    says: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class StoppedLane:
    """A sending key that waits for a person; `calls` are (hash, nonce, verdict, what it is)."""

    address: bytes
    reason: str
    calls: tuple[tuple[bytes, int, str, str], ...]


@dataclass(frozen=True, slots=True)
class ImportView:
    """One imported file."""

    file_id: int
    name: str
    file_sha256: bytes
    side: Side
    format: str
    profile: str | None
    provable: bool
    entries: int
    imported_at_ms: int
    contradictions: tuple[Contradiction, ...]


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry with where it came from and where it went.

    `batch_state`: QUEUED, SEALED, POSTED (seen), FINAL or INVALID. `file` and `line` are known
    for own entries only. `group_number` and `break_key` are of the latest run.
    """

    entry: Entry
    side: Side
    window: int
    seq: int | None
    leaf: int | None
    batch_state: str
    tx_hash: bytes | None
    file: str | None
    line: int | None
    group_number: int | None
    break_key: bytes | None
