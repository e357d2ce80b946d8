"""Words between members are their approvers': what a key that posts signed is refused by name."""

from __future__ import annotations

import contextlib

import pytest

from node.peers.client import PREFIX
from node.screening.custody_messages import Taken, unpack
from node.screening.releases import HitVerdict
from node.services.screening.custody import TAKE
from reconcile.model import OutsideError
from tests.node.hot_keys import signing_by
from tests.node.services.blacklist_looking import Wires, look, publish
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import (
    KEEPERS,
    READER,
    UPLOADER,
    beta,
    connect,
    detail,
    go_silent,
    kept,
    refused,
    ticket_of,
    waiting,
    wire,
)


@pytest.fixture(scope="module", autouse=True)
def connected(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


def test_a_request_a_release_and_an_attestation_are_the_approver_s(town: BlacklistTown) -> None:
    """Between reader and uploader: each word by a posting key is refused, the approver's taken."""
    entry = kept(town, 1)
    uploader, reader = town.node(UPLOADER), town.node(READER)
    publish(town)
    with signing_by(reader):
        receipt = look(town, READER, UPLOADER, entry)
        assert refused(reader.screening.read_receipt, receipt) == "RECEIPT_READER"
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    with signing_by(reader):
        request = reader.screening.request_detail(entry, ticket, receipt)
        said = reader.screening.attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    assert refused(uploader.screening.release_detail, request) == "REQUEST_FOREIGN"
    assert refused(uploader.screening.take_attestation, said) == "REQUEST_FOREIGN"
    request = reader.screening.request_detail(entry, ticket, receipt)
    with signing_by(uploader):
        package = uploader.screening.release_detail(request)
    assert refused(reader.screening.take_release, package) == "RELEASE_FALSE"


def test_a_settlement_is_of_approvers_words(town: BlacklistTown) -> None:
    """Neither an attestation nor what nodes countersigned counts by a posting key."""
    entry = kept(town, 2)
    reader = town.node(READER).screening
    period = town.today() // 10
    receipt = look(town, READER, UPLOADER, entry)
    with signing_by(town.node(READER)):
        reader.attest_hit(entry, HitVerdict.CONFIRMED, receipt)
    town.pass_days(10)
    connect(town)
    assert refused(reader.settle_period, period) == "SETTLEMENT_FALSE"


class Deposits(Wires):
    """A network that loses what is given into custody, and keeps it."""

    kept: bytes = b""

    def call(self, member: int, path: str, body: bytes) -> bytes:
        """Call a member; a deposit does not arrive."""
        if path != PREFIX + TAKE:
            return super().call(member, path, body)
        self.kept = body
        raise OutsideError("PEER_UNREACHABLE", f"member {member} does not answer")


def test_custody_is_of_approvers_words(town: BlacklistTown) -> None:
    """A custodian takes, and a reader is released, what approvers signed alone."""
    connect(town)
    entry = kept(town, 4)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    go_silent(town)
    with contextlib.ExitStack() as stack:
        for member in KEEPERS:
            stack.enter_context(signing_by(town.node(member)))
        asked = beta(town).ask_detail
        assert refused(asked, entry, ticket, receipt) == "CUSTODY_BELOW_THRESHOLD"
    assert detail(town, entry, ticket, receipt).complete
    connect(town)
    uploader = town.node(UPLOADER)
    wires = Deposits(town, UPLOADER)
    uploader.screening._peers = wires  # type: ignore[assignment]
    with signing_by(uploader):
        town.list(UPLOADER, 3)
    take = town.node(1).screening.handlers()[TAKE]
    assert unpack(take(UPLOADER, wires.kept), Taken).codes == ["CUSTODY_FOREIGN"]
