from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.oprf import group, modes, shamir, threshold
from node.crypto.oprf.board import Board, Complaint, Deal, PrivateShare, Session
from node.crypto.oprf.epochs import session_id
from node.crypto.oprf.generation import Generation, Outcome, committee_of
from node.crypto.oprf.modes import Mode
from reconcile.model import ProtocolError

SHAPES = [(2, 3), (3, 5)]
FAULTS = [
    "silent",
    "malformed",
    "identity",
    "bad share, answered",
    "bad share, unanswered",
    "bad share, answered wrongly",
    "false complaints",
    "no opening",
    "false opening",
    "false exposure",
]
#: Faults after which the dealer's contribution is not in the key.
OUT = {
    "silent",
    "malformed",
    "identity",
    "bad share, unanswered",
    "bad share, answered wrongly",
}


class Run:
    """All nodes of one generation; a node of `faults` misbehaves in its way, the others do not."""

    def __init__(self, t: int, n: int, faults: dict[int, str], attempt: int = 1) -> None:
        nodes = tuple(range(1, n + 1))
        identity = session_id(31_337, bytes(20), 1, 0, attempt)
        self.session = Session(identity, t, nodes, nodes)
        self.faults = faults
        self.nodes = {index: Generation.start(self.session, index) for index in nodes}
        self.board = Board()

    def honest(self) -> list[int]:
        """Return the nodes without a fault."""
        return [index for index in self.nodes if index not in self.faults]

    def play(self) -> dict[int, Outcome]:
        """Run all phases and return each honest node's outcome."""
        self.deal()
        self.complain()
        self.open()
        return {index: self.nodes[index].finish(self.board) for index in self.honest()}

    def deal(self) -> None:
        """Phase 1: deals on the board, shares to their receivers."""
        self.board = Board(tuple(filter(None, map(self._deal, self.nodes))))
        for index in list(self.nodes):
            for share in self.nodes[index].private_shares():
                sent = self._sent(index, share)
                if sent is not None:
                    self.nodes[share.receiver] = self.nodes[share.receiver].receive(sent)

    def complain(self) -> None:
        """Phases 2 and 3: complaints, answers."""
        complaints = [c for node in self.nodes.values() for c in node.complaints(self.board)]
        for liar in self._with("false complaints"):
            complaints += [Complaint(self.session.id, liar, other) for other in self.nodes]
        self.board = replace(self.board, complaints=tuple(complaints))
        reveals = [r for i, node in self.nodes.items() for r in self._reveals(i, node)]
        self.board = replace(self.board, reveals=tuple(reveals))

    def open(self) -> None:
        """Phases 4 and 5: openings, exposures until no new ones come."""
        openings = [self._opening(index, node) for index, node in self.nodes.items()]
        self.board = replace(self.board, openings=tuple(filter(None, openings)))
        lies = tuple(
            PrivateShare(self.session.id, dealer, liar, group.random_scalar())
            for liar in self._with("false exposure")
            for dealer in self.nodes
        )
        for _ in range(2):
            exposures = [e for i in self.honest() for e in self.nodes[i].exposures(self.board)]
            self.board = replace(self.board, exposures=(*lies, *exposures))

    def _with(self, fault: str) -> list[int]:
        return [index for index, own in self.faults.items() if own == fault]

    def _deal(self, index: int) -> Deal | None:
        deal = self.nodes[index].deal()
        match self.faults.get(index):
            case "silent":
                return None
            case "malformed":
                return replace(deal, commitments=deal.commitments[:-1])
            case "identity":
                return replace(deal, commitments=(*deal.commitments[:-1], group.IDENTITY))
        return deal

    def _sent(self, index: int, share: PrivateShare) -> PrivateShare | None:
        victim = share.receiver == min(self.honest())
        match self.faults.get(index):
            case "silent":
                return None
            case str(fault) if fault.startswith("bad share") and victim:
                return replace(share, share=group.random_scalar())
        return share

    def _reveals(self, index: int, node: Generation) -> list[PrivateShare]:
        right = list(node.reveals(self.board))
        match self.faults.get(index):
            case "silent" | "bad share, unanswered":
                return []
            case "bad share, answered wrongly":
                return [replace(item, share=group.random_scalar()) for item in right]
        return right

    def _opening(self, index: int, node: Generation) -> Deal | None:
        right = node.opening(self.board)
        match self.faults.get(index):
            case "no opening":
                return None
            case "false opening":
                other = shamir.commit(shamir.random_polynomial(self.session.threshold - 1))
                return Deal(self.session.id, index, other)
        return right


def check(run: Run, outcomes: dict[int, Outcome]) -> None:
    """All honest nodes agree, and their shares evaluate under the committee's public key."""
    t = run.session.threshold
    first = next(iter(outcomes.values()))
    assert all(outcome.committee == first.committee for outcome in outcomes.values())
    assert committee_of(run.session, run.board) == first.committee
    assert set(run.honest()) <= set(first.qualified)
    out = {index for index, fault in run.faults.items() if fault in OUT}
    assert set(first.qualified) == set(run.nodes) - out
    shares = {index: outcome.holder.pair.secret for index, outcome in outcomes.items()}
    secret = shamir.recover(dict(list(shares.items())[:t]))
    assert group.scale_base(secret) == first.committee.public
    blinded = modes.blind(Mode.VOPRF, b"x")
    answers = [
        threshold.evaluate_share(outcome.holder, [blinded.element])
        for outcome in list(outcomes.values())[-t:]
    ]
    found = threshold.finalize_shares(first.committee, [blinded], answers)
    assert found.outputs[0] == modes.evaluate_directly(Mode.VOPRF, secret, b"x")


@pytest.mark.parametrize(("t", "n"), SHAPES)
def test_honest_nodes_make_one_key(t: int, n: int) -> None:
    """Without faults all nodes agree on a committee whose shares evaluate, and nobody held k."""
    run = Run(t, n, {})
    outcomes = run.play()
    check(run, outcomes)
    everyone = {index: node.secret[0] for index, node in run.nodes.items()}
    public = next(iter(outcomes.values())).committee.public
    assert all(group.scale_base(value) != public for value in everyone.values())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("t", "n"), SHAPES)
def test_one_malicious_node_stops_nothing(t: int, n: int, fault: str) -> None:
    """Whatever one node does, the honest ones finish with one committee."""
    run = Run(t, n, {2: fault})
    check(run, run.play())


@settings(max_examples=25)
@given(
    faulty=st.lists(st.integers(1, 5), min_size=2, max_size=2, unique=True),
    kinds=st.lists(st.sampled_from(FAULTS), min_size=2, max_size=2),
)
def test_two_colluding_of_five_stop_nothing(faulty: list[int], kinds: list[str]) -> None:
    """With t − 1 = 2 malicious nodes of five, in any combination, the honest three finish."""
    run = Run(3, 5, dict(zip(faulty, kinds, strict=True)))
    check(run, run.play())


def test_a_dealer_with_t_accusers_is_out_whatever_it_answers() -> None:
    """Complaints of t receivers disqualify: one of them at least is honest."""
    run = Run(2, 3, {})
    run.deal()
    run.complain()
    accused = tuple(Complaint(run.session.id, accuser, 1) for accuser in (2, 3))
    run.board = replace(run.board, complaints=accused)
    answers = run.nodes[1].reveals(run.board)
    run.board = replace(run.board, reveals=answers)
    run.open()
    assert run.nodes[1].opening(run.board) is None
    assert run.nodes[2].finish(run.board).qualified == (2, 3)


def test_repeated_complaints_of_one_node_count_once() -> None:
    """One accuser cannot disqualify by complaining often, and a stranger not at all."""
    run = Run(2, 3, {})
    run.deal()
    said = (Complaint(run.session.id, 2, 1), Complaint(run.session.id, 9, 1)) * 3
    run.board = replace(run.board, complaints=said)
    run.board = replace(run.board, reveals=run.nodes[1].reveals(run.board))
    run.open()
    assert run.nodes[3].finish(run.board).qualified == (1, 2, 3)


def test_too_few_dealers_make_no_key() -> None:
    """With fewer than t dealers there is a refusal and no key."""
    run = Run(2, 3, {1: "silent", 2: "malformed"})
    run.deal()
    run.complain()
    run.open()
    for call in (
        lambda: run.nodes[3].finish(run.board),
        lambda: committee_of(run.session, run.board),
    ):
        with pytest.raises(ProtocolError) as caught:
            call()
        assert caught.value.code == "OPRF_GENERATION_FAILED"


def test_an_unopened_dealer_without_t_exposures_ends_the_run() -> None:
    """Dropping it would let it choose among keys, so the run ends instead."""
    run = Run(2, 3, {2: "no opening"})
    run.deal()
    run.complain()
    run.open()
    run.board = replace(run.board, exposures=run.board.exposures[:1])
    with pytest.raises(ProtocolError) as caught:
        run.nodes[1].finish(run.board)
    assert caught.value.code == "OPRF_GENERATION_FAILED"


def test_a_node_that_missed_its_complaint_says_so() -> None:
    """A node whose share never came, and that did not complain, has no share but a reason."""
    run = Run(2, 3, {})
    run.deal()
    run.nodes[3] = replace(run.nodes[3], received=run.nodes[3].received[1:])
    run.open()
    with pytest.raises(ProtocolError) as caught:
        run.nodes[3].finish(run.board)
    assert caught.value.code == "OPRF_SHARE_MISSING"
    assert run.nodes[1].finish(run.board).qualified == (1, 2, 3)


def test_another_session_s_words_count_nothing() -> None:
    """Shares, complaints and deals of another session are ignored."""
    run, other = Run(2, 3, {}), Run(2, 3, {}, attempt=2)
    foreign = other.nodes[1].private_shares()[1]
    assert run.nodes[2].receive(foreign) == run.nodes[2]
    assert run.nodes[3].receive(run.nodes[1].private_shares()[0]) == run.nodes[3]
    run.deal()
    said = tuple(Complaint(other.session.id, accuser, 1) for accuser in (2, 3))
    run.board = replace(run.board, complaints=said)
    run.board = replace(run.board, deals=(other.nodes[1].deal(), *run.board.deals))
    run.open()
    assert run.nodes[2].finish(run.board).qualified == (1, 2, 3)


def test_a_node_s_state_shows_no_secret() -> None:
    """Neither polynomial nor share is in what a log would print."""
    run = Run(2, 3, {})
    run.deal()
    node = run.nodes[1]
    shown = repr(node) + repr(node.received)
    assert node.secret[0].hex() not in shown
    assert repr(bytes(node.secret[0])) not in shown
    assert repr(bytes(node.received[0].share)) not in shown
