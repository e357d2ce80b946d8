"""What a node refuses beyond the pure core, and whose turn it is.

KanheError
├── UsageError
│   ├── NotAllowed             a person's role does not allow it               exit 2, HTTP 403
│   ├── NotFound               nothing has this name                           exit 2, HTTP 404
│   ├── Conflict               it contradicts what stands already              exit 2, HTTP 409
│   └── ConfigError            a setting is wrong                              exit 2, HTTP 422
├── ProtocolError
│   └── WrongChain             another chain or other contracts than agreed    exit 1, HTTP 409
└── OutsideError
    ├── BackPressure           too much is waiting; try again later            exit 3, HTTP 429
    ├── DatabaseError          the database fails, is locked or full           exit 3, HTTP 503
    └── ChainError             the chain or its endpoint; see `Turn`           exit 3, HTTP 503
        ├── ChainUnreachable   no answer: retryable
        ├── ChainBusy          pool or endpoint full: retryable, send less
        ├── ChainStalled       it answers, but mines nothing
        ├── AlreadyDone        "already known": look the own hash up
        ├── SequenceMoved      the nonce was used: look the own hash up
        ├── RejectedForGood    no resend will help
        ├── AnswerTooLarge     ask for fewer blocks
        └── ContractError      the contract reverted; one class per Solidity error,
                               in `node.errors.contract`, with the same name
"""

# ruff: noqa: N818 - errors are statements (architecture.md, "Words"), not words ending in Error

from __future__ import annotations

import enum
from typing import ClassVar

from reconcile.model import KanheError, OutsideError, ProtocolError, UsageError, Where


class Turn(enum.Enum):
    """What a chain error means to the sender (node.md, "Out" 6)."""

    RETRYABLE = "RETRYABLE"
    ALREADY_DONE = "ALREADY_DONE"
    SEQUENCE_MOVED = "SEQUENCE_MOVED"
    REJECTED_FOR_GOOD = "REJECTED_FOR_GOOD"
    CHAIN_STALLED = "CHAIN_STALLED"


class NotAllowed(UsageError):
    """Raised when a person's role, or four eyes, does not allow an act."""

    http_status = 403


class NotFound(UsageError):
    """Raised when nothing has the given name or id."""

    http_status = 404


class Conflict(UsageError):
    """Raised when a call contradicts what stands: an idempotency key with another body."""

    http_status = 409


class ConfigError(UsageError):
    """Raised when a setting is wrong; `where.field` names it."""


class WrongChain(ProtocolError):
    """Raised when the endpoint serves another chain, or other code stands at our addresses."""

    # Not a proof that fails: the world outside is not the one this node belongs to.
    exit_code = 3


class BackPressure(OutsideError):
    """Raised instead of growing without bound; `retry_after_s` goes into Retry-After."""

    http_status = 429

    def __init__(self, code: str, message: str, *, retry_after_s: int, help: str = "") -> None:  # noqa: A002 - the word of interfaces.md
        """Take when to try again, in whole seconds."""
        super().__init__(code, message, help=help)
        self.retry_after_s = retry_after_s


class DatabaseError(OutsideError):
    """Raised when the database is unreachable, locked, damaged or its disk is full."""


class ChainError(OutsideError):
    """Raised when the chain does not do what it was asked; `turn` says what that means."""

    turn: ClassVar[Turn] = Turn.RETRYABLE
    default_code: ClassVar[str] = "CHAIN_ERROR"

    def __init__(self, message: str, *, code: str | None = None, help: str = "") -> None:  # noqa: A002 - the word of interfaces.md
        """Take what the node said; the code follows from the class."""
        super().__init__(code or self.default_code, message, help=help)


class ChainUnreachable(ChainError):
    """Raised when no endpoint answers in time; a transaction may or may not have arrived."""

    default_code = "CHAIN_UNREACHABLE"


class ChainBusy(ChainError):
    """Raised when the pool or the endpoint takes no more for now."""

    default_code = "CHAIN_BUSY"


class ChainStalled(ChainError):
    """Raised when the chain answers but has mined nothing for too long."""

    turn = Turn.CHAIN_STALLED
    default_code = "CHAIN_STALLED"


class AlreadyDone(ChainError):
    """Raised when the node knows these very bytes already: look the own hash up."""

    turn = Turn.ALREADY_DONE
    default_code = "CHAIN_ALREADY_KNOWN"


class SequenceMoved(ChainError):
    """Raised when the nonce is used: by the own earlier send, or by somebody else."""

    turn = Turn.SEQUENCE_MOVED
    default_code = "CHAIN_NONCE_USED"


class RejectedForGood(ChainError):
    """Raised when the same bytes will never be taken."""

    turn = Turn.REJECTED_FOR_GOOD
    default_code = "CHAIN_REJECTED"


class AnswerTooLarge(ChainError):
    """Raised when a range of blocks holds more logs than the endpoint returns at once."""

    default_code = "CHAIN_ANSWER_TOO_LARGE"


class ContractError(ChainError):
    """Raised when a contract reverts. Subclasses bear the Solidity error's name.

    `names` are the arguments' names, `values` what came with the revert.
    """

    turn = Turn.REJECTED_FOR_GOOD
    names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: tuple[object, ...] = (), *, message: str | None = None) -> None:
        """Take the decoded arguments in the order of the ABI."""
        name = type(self).__name__
        pairs = zip(self.names, values, strict=False)
        said = ", ".join(f"{key}={_shown(value)}" for key, value in pairs)
        super().__init__(message or f"{name}({said})", code=_upper_snake(name))
        self.values = values


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _upper_snake(name: str) -> str:
    parts = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return parts.lstrip("_").upper()


__all__ = [
    "AlreadyDone",
    "AnswerTooLarge",
    "BackPressure",
    "ChainBusy",
    "ChainError",
    "ChainStalled",
    "ChainUnreachable",
    "ConfigError",
    "Conflict",
    "ContractError",
    "DatabaseError",
    "KanheError",
    "NotAllowed",
    "NotFound",
    "OutsideError",
    "ProtocolError",
    "RejectedForGood",
    "SequenceMoved",
    "Turn",
    "UsageError",
    "Where",
    "WrongChain",
]
