"""A bundle while it is weighed: what was read of it, and what is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node.crypto.verifying import Verification
from node.screening.consents import Trust
from node.screening.evidence import Evidence
from node.screening.explaining import said
from node.screening.identifiers import Identifier
from reconcile.model import KanheError, ProtocolError, Where


@dataclass(slots=True)
class Case:
    """What has been read so far, and what is found of it."""

    evidence: Evidence
    identifier: Identifier
    trust: Trust
    found: Verification

    def hold(self, name: str, yes: str, call: Callable[[], None]) -> bool:
        """Record one check: it holds where `call` refuses nothing."""
        try:
            call()
        except KanheError as error:
            return self.found.hold(name, ok=False, yes="", no=said(error))
        return self.found.hold(name, ok=True, yes=yes, no="")


def refuse(code: str, field: str, message: str) -> ProtocolError:
    """Return the refusal of a part of a bundle."""
    return ProtocolError(
        code,
        message,
        where=Where(field=field),
        help="Ask another member for the evidence; keep this file as it is.",
    )
