"""The errors of Kanhe: every refusal has a stable code and says what, where and what to do.

KanheError                 every refusal; `code` is stable, `where` says what and where
├── UsageError             the call's words are wrong                       exit 2, HTTP 422
├── InputError             a file, record, book or rule set is wrong        exit 2, HTTP 422
├── ProtocolError          bytes or heads of a stream do not hold           exit 1, HTTP 409
└── OutsideError           chain, database, disk or counterparty            exit 3, HTTP 503
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec


class Contradiction(msgspec.Struct, frozen=True):
    """One place where a file contradicts itself or its standard."""

    code: str
    message: str
    line: int | None = None
    field: str | None = None
    expected: str | None = None
    found: str | None = None


class Remark(msgspec.Struct, frozen=True):
    """What is odd about a file or two books, and refuses nothing."""

    code: str
    says: str
    line: int | None = None


@dataclass(frozen=True)
class Where:
    """Where a refusal points: file, line (from 1) and field, each optional."""

    file: str | None = None
    line: int | None = None
    field: str | None = None

    def to_json(self) -> dict[str, str | int]:
        """Return the parts that are known, as `interfaces.md` names them."""
        parts = {"file": self.file, "line": self.line, "field": self.field}
        return {key: value for key, value in parts.items() if value is not None}


class KanheError(Exception):
    """Raised when Kanhe refuses something; subclasses say whose turn it is."""

    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: Where | None = None,
        help: str = "",  # noqa: A002 - the word of interfaces.md
        details: tuple[Contradiction, ...] = (),
    ) -> None:
        """Take a stable upper-case `code`, what happened, where, and what to do."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.where = where or Where()
        self.help = help
        self.details = details

    def to_json(self) -> dict[str, object]:
        """Return the `error` object of `interfaces.md`."""
        body: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "where": self.where.to_json(),
            "help": self.help,
        }
        if self.details:
            body["details"] = [msgspec.to_builtins(item) for item in self.details]
        return body


class UsageError(KanheError):
    """Raised when the words of a call are wrong."""


class InputError(KanheError):
    """Raised when a file, record, book or rule set is wrong; nothing of it is kept."""


class ProtocolError(KanheError):
    """Raised when bytes, heads or proofs do not hold."""

    exit_code = 1
    http_status = 409


class OutsideError(KanheError):
    """Raised when the chain, database, disk or counterparty fails; trying again may help."""

    exit_code = 3
    http_status = 503
