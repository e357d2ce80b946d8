"""Custody in the town of tests: who keeps, how an uploader falls silent, what is asked."""

from __future__ import annotations

import contextlib

import pytest
from eth_utils.crypto import keccak
from sqlalchemy import select

from node.outbox import append_intent
from node.services.screening.custody import SILENCE_S
from node.services.screening.detail import DetailView
from node.services.screening.hearing import WaitingView
from node.services.screening.service import ScreeningService
from node.tables import (
    HeldCustody,
    Incident,
)
from reconcile.model import KanheError
from tests.node.services.blacklist_looking import Wires, buy_detail
from tests.node.services.blacklist_town import BlacklistTown

#: Member 4 uploads here: its custodians are the committee, members 1 to 3, two of them enough.
UPLOADER = 4
READER = 2
EVERYBODY = (1, 2, 3, 4)
#: A listing, three lookups and two details, in micro-points.
ENOUGH = 14_000_000
KEEPERS = (1, 2, 3)


def wire(town: BlacklistTown) -> None:
    """Give everybody points, and connect everybody."""
    for member in EVERYBODY:
        town.node(member).screening.claim_allowance()
    town.settle()
    connect(town)


def connect(town: BlacklistTown, *away: int) -> None:
    """Connect the nodes, all but those that are away."""
    for member in EVERYBODY:
        screening = town.node(member).screening
        gone = frozenset(EVERYBODY if member in away else away)
        screening._peers = Wires(town, member, gone)  # type: ignore[assignment]
        screening._rests.clear()


def refused(call: object, *args: object, **more: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    return caught.value.code


def beta(town: BlacklistTown) -> ScreeningService:
    """Return the reader's service."""
    return town.node(READER).screening


def ticket_of(town: BlacklistTown, entry: bytes) -> int:
    """Buy the reader a DETAIL ticket, and let everybody see it and what was before."""
    bought = buy_detail(town, READER, entry)
    town.settle()
    return bought


def afford(town: BlacklistTown) -> None:
    """See to it that reader and uploader have points for a test."""
    for member in (READER, UPLOADER):
        screening = town.node(member).screening
        while screening.points().account.free < ENOUGH:
            with contextlib.suppress(KanheError):
                screening.claim_allowance()
            town.pass_days(1)


def kept(town: BlacklistTown, serial: int) -> bytes:
    """List a person and see the evidence with its custodians; the reader has points."""
    connect(town)
    afford(town)
    entry = town.list(UPLOADER, serial)
    town.settle()
    assert [holds(town, member, entry) for member in KEEPERS] == [True] * 3
    return entry


def holds(town: BlacklistTown, member: int, entry: bytes, generation: int = 1) -> bool:
    """Say whether a member keeps an entry's evidence."""
    with town.node(member).database.reading() as session:
        row = session.get(HeldCustody, (entry, generation))
        return row is not None and row.share != b"" and row.detail != b""


def go_silent(town: BlacklistTown) -> None:
    """Let the uploader be silent for as long as custodians wait."""
    town.settle(*KEEPERS)
    town.chain.rpc("evm_increaseTime", SILENCE_S)
    town.settle(*KEEPERS)


def detail(town: BlacklistTown, entry: bytes, ticket: int, receipt: bytes) -> DetailView:
    """Ask for evidence that is there."""
    view = beta(town).ask_detail(entry, ticket, receipt)
    assert isinstance(view, DetailView)
    return view


def waiting(town: BlacklistTown, entry: bytes, ticket: int, receipt: bytes) -> WaitingView:
    """Ask for evidence of a silent uploader."""
    view = beta(town).ask_detail(entry, ticket, receipt)
    assert isinstance(view, WaitingView)
    return view


def incidents(town: BlacklistTown, member: int, kind: str) -> list[str]:
    """What a member's incidents of a kind say."""
    with town.node(member).database.reading() as session:
        return [i.says for i in session.scalars(select(Incident).where(Incident.kind == kind))]


def install(town: BlacklistTown, key_epoch: int, members: list[int]) -> None:
    """Install a key epoch with other members, and let it begin."""
    switch = int(town.chain.rpc("eth_blockNumber"), 16) + 60
    words = (key_epoch, 2, members, b"\x11" * 32, keccak(b"shares"), switch)
    for member in EVERYBODY:
        with town.node(member).database.writing.begin() as session:
            append_intent(
                session,
                kind="approveKeyEpoch",
                contract="Lookups",
                call="approveKeyEpoch",
                args=words,
                subject=f"keyepoch/{key_epoch}",
                lane_key="admin",
            )
    town.settle()
    town.chain.mine(60)
    town.settle()
