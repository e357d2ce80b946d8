"""Plans, timelines and words: a run read from the ledger, whoever said what and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from node.crypto.oprf import generation, resharing
from node.crypto.oprf.board import Deal, PrivateShare
from node.crypto.oprf.faults import generation_faults, resharing_faults
from node.crypto.oprf.generation import Generation
from node.crypto.oprf.group import public_scalar
from node.crypto.oprf.plan import Phase, Plan, Timeline, timeline_of, unpack_plan
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.crypto.oprf.words import (
    Word,
    board_of,
    pack_complaints,
    pack_deal,
    pack_shares,
)
from reconcile.model import ProtocolError

MEMBERS = (3, 5, 9)
PLAN = Plan(7, b"\x11" * 20, 1, 0, 0, 2, MEMBERS, 10, 50)
START = 100


@dataclasses.dataclass
class Run:
    """Three nodes of a plan and what they say; `twist` changes or drops a word first."""

    plan: Plan = PLAN
    twist: Callable[[Word], Word | None] = lambda word: word
    unsent: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        """Start everybody."""
        self.timeline = Timeline(START, 10, 5, 50)
        self.nodes = [Generation.start(self.plan.session, index) for index in (1, 2, 3)]
        self.words: list[Word] = []

    def say(self, index: int, phase: Phase, body: bytes) -> None:
        """Let a node say something in the first block of a phase."""
        block = self.timeline.ends(phase) - 9
        word = self.twist(Word(MEMBERS[index - 1], int(phase), body, block))
        if word is not None:
            self.words.append(word)

    @property
    def board(self) -> generation.Board:
        """The board as everyone reads it."""
        return board_of(self.plan, self.timeline, self.words)

    def go(self) -> generation.Board:
        """Play every phase."""
        for node in self.nodes:
            self.say(node.index, Phase.DEAL, pack_deal(node.deal()))
        for dealer in list(self.nodes):
            for share in dealer.private_shares():
                at = share.receiver - 1
                if (dealer.index, share.receiver) not in self.unsent:
                    self.nodes[at] = self.nodes[at].receive(share)
        for node in self.nodes:
            if node.complaints(self.board):
                self.say(node.index, Phase.COMPLAINT, pack_complaints(node.complaints(self.board)))
        for node in self.nodes:
            if node.reveals(self.board):
                self.say(node.index, Phase.REVEAL, pack_shares(node.reveals(self.board)))
        for node in self.nodes:
            opening = node.opening(self.board)
            if opening is not None:
                self.say(node.index, Phase.OPENING, pack_deal(opening))
        for node in self.nodes:
            if node.exposures(self.board):
                self.say(node.index, Phase.EXPOSURE, pack_shares(node.exposures(self.board)))
        return self.board

    def outcomes(self) -> list[Committee]:
        """Finish at every node; each finds the committee that the board gives."""
        found = [node.finish(self.board).committee for node in self.nodes]
        assert found == [generation.committee_of(self.plan.session, self.board)] * 3
        return found

    def named(self) -> dict[int, str]:
        """The dealers that failed, and at what."""
        return {item.dealer: item.says for item in generation_faults(self.plan.session, self.board)}


def test_a_run_over_the_ledger_s_words_gives_one_key() -> None:
    """What is packed is read back into the board from which all compute one committee."""
    run = Run()
    run.go()
    assert run.outcomes()[0].threshold == 2
    assert run.named() == {}


def _drop(member: int, phase: Phase) -> Callable[[Word], Word | None]:
    return lambda word: None if (word.member, word.phase) == (member, phase) else word


def _replace(member: int, phase: Phase, body: bytes) -> Callable[[Word], Word | None]:
    return lambda word: (
        dataclasses.replace(word, body=body)
        if (word.member, word.phase) == (member, phase)
        else word
    )


def _late(member: int, phase: Phase) -> Callable[[Word], Word | None]:
    return lambda word: (
        dataclasses.replace(word, block=START + 10 * phase + 1)
        if (word.member, word.phase) == (member, phase)
        else word
    )


OTHER = Generation.start(PLAN.session, 2)


@pytest.mark.parametrize(
    ("twist", "unsent", "says"),
    [
        (_drop(5, Phase.DEAL), (), "posted no deal"),
        (_late(5, Phase.DEAL), (), "posted no deal"),
        (_replace(5, Phase.DEAL, b"\xff"), (), "posted a deal that does not read"),
        (_replace(5, Phase.DEAL, pack_deal(Deal(b"", 2, (bytes(32),) * 2))), (), "does not read"),
        (_replace(5, Phase.DEAL, pack_deal(OTHER.deal())), (), "sent 3 nodes no share that fits"),
        (_drop(5, Phase.REVEAL), ((2, 1),), "did not answer the complaint of node 1"),
        (_late(5, Phase.REVEAL), ((2, 1),), "did not answer the complaint of node 1"),
        (
            _replace(
                5,
                Phase.REVEAL,
                pack_shares([PrivateShare(b"", 2, 1, public_scalar(3), public_scalar(4))]),
            ),
            ((2, 1),),
            "answered node 1 with a share that does not fit",
        ),
        (_drop(5, Phase.OPENING), (), "did not open"),
        (_replace(5, Phase.OPENING, b""), (), "did not open"),
        (
            _replace(5, Phase.OPENING, pack_deal(Deal(b"", 2, OTHER.deal().commitments))),
            (),
            "opened another polynomial",
        ),
    ],
)
def test_a_dealer_that_cheats_is_named_and_the_others_go_on(
    twist: Callable[[Word], Word | None], unsent: tuple[tuple[int, int], ...], says: str
) -> None:
    """Whatever member 5 does wrong, all name it alike and the others still make a key."""
    run = Run(twist=twist, unsent=frozenset(unsent))
    run.go()
    assert list(run.named()) == [2]
    assert says in run.named()[2]
    assert len(run.outcomes()) == 3


def test_an_answered_complaint_names_nobody() -> None:
    """A share that was not delivered is revealed, and everybody stands."""
    run = Run(unsent=frozenset({(2, 1)}))
    run.go()
    assert run.named() == {}
    run.outcomes()


def test_nobody_speaks_for_another() -> None:
    """A word names its sender by the ledger: foreign answers and strangers' words do not count."""
    run = Run()
    run.go()
    before = run.board
    stranger = Word(4, int(Phase.DEAL), pack_deal(OTHER.deal()), START + 1)
    lie = pack_shares([PrivateShare(b"", 1, 2, public_scalar(3), public_scalar(4))])
    foreign = [Word(5, int(Phase.REVEAL), lie, START), Word(9, int(Phase.EXPOSURE), lie, START)]
    noise = [Word(3, phase, b"\xc1", START) for phase in (2, 3, 5, 6, 255)]
    run.words += [stranger, *foreign, *noise]
    assert run.board == before


def test_a_re_sharing_names_who_dealt_another_secret() -> None:
    """The constant commitment must be the old public share; the key stays without that dealer."""
    run = Run()
    run.go()
    old = run.outcomes()[0]
    holders = [node.finish(run.board).holder for node in run.nodes]
    plan = Plan(7, b"\x11" * 20, 1, 1, 0, 2, (3, 9, 12), 10, 50, MEMBERS, 2, PLAN.id)
    wrong = ShareHolder.of(1, public_scalar(99))
    words, sent = [], []
    for holder in (wrong, holders[1], holders[2]):
        posted, shares, _ = resharing.deal(plan.session, holder)
        words.append(Word(MEMBERS[holder.index - 1], 1, pack_deal(posted), START))
        sent += shares
    board = board_of(plan, Timeline(START, 10, 3, 50), words)
    (fault,) = resharing_faults(plan.session, old, board)
    assert (fault.dealer, fault.says) == (1, "dealt another secret than its share")
    holder, new = resharing.finish(plan.session, old, 2, board, sent)
    assert new.public == old.public
    assert holder.index == plan.receiver_index(9) == 2


def test_the_id_covers_every_field_of_the_plan() -> None:
    """A plan is read under its own id alone, in one form."""
    assert unpack_plan(PLAN.pack(), PLAN.id) == PLAN
    changes: list[dict[str, object]] = [
        {"chain_id": 8},
        {"contract": b"\x12" * 20},
        {"key_epoch": 2},
        {"attempt": 1},
        {"threshold": 3},
        {"members": (3, 5, 8)},
        {"phase_blocks": 11},
        {"approve_blocks": 51},
    ]
    ids = {dataclasses.replace(PLAN, **change).id for change in changes} | {PLAN.id}  # type: ignore[arg-type]
    assert len(ids) == 9
    for data in (PLAN.pack() + b"\x00", b"", b"\xc1", PLAN.pack()[:-1]):
        with pytest.raises(ProtocolError) as caught:
            unpack_plan(data, PLAN.id)
        assert caught.value.code == "PLAN_MALFORMED"


@pytest.mark.parametrize(
    "change",
    [
        {"members": (5, 3, 9)},
        {"members": (3, 3, 9)},
        {"members": (0, 3, 9)},
        {"members": ()},
        {"threshold": 1},
        {"threshold": 4},
        {"key_epoch": 0},
        {"phase_blocks": 0},
        {"phase_blocks": 10**9},
        {"sharing": 1},
        {"previous": b"\x01" * 32},
        {"dealers": (1, 2)},
    ],
)
def test_a_plan_that_no_committee_has_is_refused(change: dict[str, object]) -> None:
    """Order, bounds, threshold, and dealers where there is something to share anew."""
    with pytest.raises(ProtocolError):
        dataclasses.replace(PLAN, **change)  # type: ignore[arg-type]


def test_a_run_begins_with_the_last_of_those_it_needs() -> None:
    """Receivers all, dealers up to the old threshold; strangers and repeats count nothing."""
    joins = [(3, 1), (3, 2), (4, 3), (5, 4)]
    assert timeline_of(PLAN, joins) is None
    found = timeline_of(PLAN, [*joins, (9, 5), (3, 9)])
    assert found == Timeline(5, 10, 5, 50)
    assert (found.ends(Phase.DEAL), found.over, found.switch) == (15, 55, 105)
    plan = Plan(7, b"\x11" * 20, 1, 1, 0, 2, (3, 12), 10, 50, MEMBERS, 2, PLAN.id)
    assert timeline_of(plan, [(3, 1), (12, 2)]) is None
    assert timeline_of(plan, [(3, 1), (12, 2), (9, 7)]) == Timeline(7, 10, 3, 50)
