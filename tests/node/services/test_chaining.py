"""Head office's chains over two agreements of a node, in the service, by REST's shape, by CLI."""

from __future__ import annotations

import pytest

from node.services.reconciliation import state_of_word
from reconcile.model import AgreementKind, Carrier, UsageError
from reconcile.report import ChainState
from reconcile.terms import default_terms
from tests.node.services.conftest import DAY, Pair, balance, entry


def branch(pair: Pair) -> bytes:
    """Open a head-branch agreement whose opening position is agreed."""
    members = [node.member for node in pair.nodes]
    assert members[0] is not None
    assert members[1] is not None
    agreement = pair.servicer.network.open_agreement(
        AgreementKind.HEAD_BRANCH,
        servicer=members[0],
        owner=members[1],
        terms=default_terms(["CNY"]),
        label="branch",
    )
    pair.settle()
    pair.owner.network.accept_agreement(agreement)
    pair.settle()
    for node in pair.nodes:
        node.posting.open_position(agreement, closing=balance(0, DAY - 1))
    pair.settle()
    return agreement


def voucher(ref: str, minor: int, number: str, **more: object):  # noqa: ANN201 - an entry
    """Return an entry of a voucher."""
    made = entry(ref, minor, **more)
    return type(made)(
        **{name: getattr(made, name) for name in made.__struct_fields__}
        | {"references": ((int(Carrier.VOUCHER_NO), number),)}
    )


def test_head_office_follows_a_voucher_from_branch_to_branch(pair: Pair) -> None:
    """Each posting moves the voucher on; what is in transit falls to zero when it arrives."""
    north, south = branch(pair), branch(pair)
    head = pair.servicer.reconciliation

    def state_after(node: object, agreement: bytes, ref: str, minor: int) -> tuple[ChainState, int]:
        node.posting.queue_entries(agreement, [voucher(ref, minor, "VCH-1")])  # type: ignore[attr-defined]
        pair.settle()
        found = head.chains()
        (chain,) = found.chains
        assert found.holds
        assert found.lines[0].in_transit_minor == chain.in_transit_minor
        return chain.state, chain.in_transit_minor

    assert state_after(pair.owner, north, "b1", -100) == (ChainState.ORIGINATED, 100)
    assert state_after(pair.servicer, north, "h1", -100) == (ChainState.AT_HEAD, 100)
    assert state_after(pair.servicer, south, "h2", 100) == (ChainState.AT_HEAD, 100)
    assert state_after(pair.owner, south, "b2", 100) == (ChainState.RECEIVED, 0)
    assert set(head.chains().agreements) >= {north, south}
    assert head.chains(open_only=True).chains == ()
    assert head.chains(voucher_no="vch").total == 1
    assert head.chains(state=ChainState.AT_HEAD).total == 0
    assert head.chains(only=[north]).chains[0].state is ChainState.AT_HEAD
    # A branch keeps nobody's account: it sees no chain, only its own agreement.
    assert pair.owner.reconciliation.chains().agreements == ()


def test_an_unknown_state_is_refused() -> None:
    """The four states are named."""
    assert state_of_word("at_head") is ChainState.AT_HEAD
    assert state_of_word(None) is None
    with pytest.raises(UsageError, match="CHAIN_STATE"):
        state_of_word("lost")
