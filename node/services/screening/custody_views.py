"""What trace shows of releases and custody: who keeps an entry's evidence, who was given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.services.screening.views import text_or_none, time_iso
from node.tables import CustodyAsk, CustodyDelivery, CustodyNotice, HeldCustody, Release
from reconcile.model import ZERO32


@dataclass(frozen=True, slots=True)
class Keeper:
    """A custodian's part in one custody, as the uploader knows it; times in milliseconds.

    `destroyed`: its signed word that it destroyed its share is kept here.
    """

    custodian: int
    generation: int
    taken_at_ms: int | None
    destroyed: bool


@dataclass(frozen=True, slots=True)
class Given:
    """A release by a custodian, this node or one that told this uploader of it."""

    custodian: int | None
    reader: int
    ticket: int
    asked_at_s: int | None
    released_at_ms: int | None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class CustodyView:
    """Custody of one entry: given by this node, kept by it, and what was released of it."""

    keepers: tuple[Keeper, ...] = ()
    held: tuple[tuple[int, bool], ...] = ()
    asked: tuple[Given, ...] = ()
    told: tuple[Given, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it; `kept_here` are generations and whether each was destroyed."""
        return {
            "custodians": [
                {
                    "member": str(one.custodian),
                    "generation": str(one.generation),
                    "taken_at": _time(one.taken_at_ms),
                    "destroyed": one.destroyed,
                }
                for one in self.keepers
            ],
            "kept_here": [
                {"generation": str(generation), "destroyed": destroyed}
                for generation, destroyed in self.held
            ],
            "asked_here": [_given(one) for one in self.asked],
            "released_by_custodians": [_given(one) for one in self.told],
        }


def custody_of(session: Session, entry: bytes) -> CustodyView:
    """Return what this node knows of an entry's custody."""
    keepers = session.scalars(
        select(CustodyDelivery)
        .where(CustodyDelivery.entry == entry)
        .order_by(CustodyDelivery.generation, CustodyDelivery.custodian)
    )
    held = session.scalars(
        select(HeldCustody).where(HeldCustody.entry == entry).order_by(HeldCustody.generation)
    )
    asked = session.scalars(
        select(CustodyAsk).where(CustodyAsk.entry == entry).order_by(CustodyAsk.ticket)
    )
    told = session.scalars(
        select(CustodyNotice)
        .where(CustodyNotice.entry == entry)
        .order_by(CustodyNotice.ticket, CustodyNotice.custodian)
    )
    return CustodyView(
        tuple(
            Keeper(row.custodian, row.generation, row.taken_at_ms, row.certificate is not None)
            for row in keepers
        ),
        tuple((row.generation, row.destroyed_at_ms is not None) for row in held),
        tuple(
            Given(
                None, row.reader, row.ticket, row.asked_at_s, row.released_at_ms, row.refusal_code
            )
            for row in asked
        ),
        tuple(Given(row.custodian, row.reader, row.ticket, None, row.told_at_ms) for row in told),
    )


def releases_of(session: Session, entry: bytes) -> list[tuple[int, int, bytes, int]]:
    """Return an uploader's own releases: ticket, reader, consent, time in milliseconds."""
    # What carries no consent is a reader's attestation: nothing was released.
    mine = (Release.entry == entry, Release.consent != ZERO32)
    found = select(Release).where(*mine).order_by(Release.ticket)
    return [
        (row.ticket, row.reader, row.consent, row.released_at_ms) for row in session.scalars(found)
    ]


def _asked(row: CustodyAsk) -> Given:
    at_ms, refusal = row.released_at_ms, row.refusal_code
    return Given(None, row.reader, row.ticket, row.asked_at_s, at_ms, refusal)


def _given(one: Given) -> dict[str, str | None]:
    return {
        "custodian": text_or_none(one.custodian),
        "reader": str(one.reader),
        "ticket": str(one.ticket),
        "asked_at": time_iso(one.asked_at_s),
        "released_at": _time(one.released_at_ms),
        "refused": one.refusal,
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else time_iso(at_ms // 1000)
