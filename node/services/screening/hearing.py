"""What custodians answered a reader whose uploader is silent, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from node.screening.custody import MIN_THRESHOLD, detail_hash, read_manifest
from node.screening.custody_messages import ANSWERED, REFUSED, RELEASED, WAITING, Answer, Part
from node.screening.records import OpenedRecord
from node.services.screening.views import time_iso
from node.tables import OwnCustodyAsk
from reconcile.model import KanheError, OutsideError, ProtocolError


@dataclass(frozen=True, slots=True)
class WaitingView:
    """An uploader that was silent, and custodians that were told so.

    `from_s` is the chain's time from which t of them release, None while fewer were told.
    `custodians`: what each said, by member.
    """

    entry: bytes
    uploader: int
    ticket: int
    silence: str
    from_s: int | None
    custodians: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {
            "entry": self.entry.hex(),
            "uploader": str(self.uploader),
            "ticket": str(self.ticket),
            "silence": self.silence,
            "released_from": time_iso(self.from_s),
            "custodians": {str(member): says for member, says in self.custodians.items()},
        }


@dataclass(slots=True)
class Heard:
    """What custodians answered: waiting times, parts, refusals, in words for people.

    `record` is the entry's, as the lookup opened it.
    """

    record: OpenedRecord
    says: dict[int, str] = field(default_factory=dict)
    waits: list[int] = field(default_factory=list)
    parts: dict[int, list[Part]] = field(default_factory=dict)
    details: set[bytes] = field(default_factory=set)
    packages: list[bytes] = field(default_factory=list)
    refused: ProtocolError | None = None
    threshold: int = MIN_THRESHOLD

    def note(self, member: int, answer: Answer) -> None:
        """Take a custodian's answer."""
        if answer.state == WAITING:
            self.waits.append(answer.from_s)
            self.says[member] = f"waits for the uploader until {time_iso(answer.from_s)}"
        elif answer.state == ANSWERED:
            self.packages.append(answer.package)
            self.says[member] = "has the uploader's answer"
        elif answer.state == REFUSED:
            says = f"the uploader refused it, as member {member} heard: {answer.says}"
            self.refused = ProtocolError(answer.code, says)
            self.says[member] = f"heard the uploader refuse it: {answer.code}"
        elif answer.state == RELEASED:
            self.parts[member] = answer.parts
            self.details |= {part.manifest for part in answer.parts if _has_detail(part)}
            self.says[member] = "released its share"


def waiting_for(row: OwnCustodyAsk, heard: Heard) -> WaitingView:
    """Return what is waited for; `OutsideError` CUSTODY_BELOW_THRESHOLD where nothing is."""
    if not heard.waits:
        says = "; ".join(f"member {member} {text}" for member, text in heard.says.items())
        raise OutsideError(
            "CUSTODY_BELOW_THRESHOLD",
            f"too few custodians released their shares: {says}",
            help="ask again with the same ticket once the others answer",
        )
    times = sorted([*(0 for _ in heard.parts), *heard.waits])
    enough = len(times) >= heard.threshold
    from_s = times[heard.threshold - 1] if enough else None
    return WaitingView(row.entry, row.uploader, row.ticket, row.silence, from_s, heard.says)


def _has_detail(part: Part) -> bool:
    try:
        manifest, _ = read_manifest(part.manifest)
    except KanheError:
        return False
    return detail_hash(part.detail) == manifest.detail
