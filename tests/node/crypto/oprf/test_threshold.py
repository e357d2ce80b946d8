from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.oprf import group, modes, shamir, threshold
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import Answer, Committee, ShareHolder, ShareWrong
from reconcile.model import ProtocolError

SHAPES = [(1, 1), (2, 3), (3, 5), (3, 4), (4, 7)]
KEY = group.random_scalar()


def made(t: int, n: int) -> tuple[Committee, list[ShareHolder]]:
    """Share `KEY` by a dealer that a test may trust."""
    polynomial = shamir.random_polynomial(t - 1, constant=KEY)
    holders = [ShareHolder.of(j, shamir.share_of(polynomial, j)) for j in range(1, n + 1)]
    shares = {holder.index: holder.pair.public for holder in holders}
    return Committee(t, group.scale_base(KEY), shares), holders


def code_of(call: object, *arguments: object) -> str:
    """Return the code of the refusal that a call ends in."""
    with pytest.raises(ProtocolError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


@pytest.mark.parametrize(("t", "n"), SHAPES)
def test_every_quorum_gives_the_key_s_own_output(t: int, n: int) -> None:
    """Any t nodes combine to the output of the key that nobody holds."""
    committee, holders = made(t, n)
    blinded = modes.blind(Mode.VOPRF, b"CN-RID|someone")
    expected = modes.evaluate_directly(Mode.VOPRF, KEY, b"CN-RID|someone")
    for quorum in itertools.combinations(holders, t):
        answers = [threshold.evaluate_share(holder, [blinded.element]) for holder in quorum]
        combined = threshold.finalize_shares(committee, [blinded], answers)
        assert combined.outputs == {0: expected}
        assert not combined.wrong


@given(st.lists(st.integers(1, 64), min_size=1, max_size=6, unique=True).map(sorted))
def test_whole_coefficients_are_lagranges(indices: list[int]) -> None:
    """The integers times their common scalar are the coefficients, for any nodes."""
    whole, rest = shamir.whole_lagrange(tuple(indices))
    found = tuple(group.multiply(group.public_scalar(item), rest) for item in whole)
    assert found == shamir.lagrange(tuple(indices))
    points = [group.scale_base(group.public_scalar(index * index + 7)) for index in indices]
    weights = [group.public_scalar(item) for item in whole]
    assert group.public_sum(whole, points) == group.weighted_sum(weights, points)


def test_fewer_than_t_give_nothing() -> None:
    """T − 1 answers combine to no output, and the refusal says how many are missing."""
    committee, holders = made(3, 5)
    blinded = modes.blind(Mode.VOPRF, b"x")
    answers = [threshold.evaluate_share(holder, [blinded.element]) for holder in holders[:2]]
    combined = threshold.combine(committee, [blinded.element], answers)
    assert combined.evaluations == {}
    assert combined.missing == (0,)
    assert code_of(threshold.require_complete, combined, 3) == "OPRF_BELOW_THRESHOLD"


@settings(max_examples=20)
@given(claimed=st.integers(1, group.ORDER - 1))
def test_t_minus_1_shares_fit_every_key(claimed: int) -> None:
    """For any key there is a polynomial through t − 1 given shares: they say nothing of the key."""
    polynomial = shamir.random_polynomial(2, constant=KEY)
    known = {index: shamir.share_of(polynomial, index) for index in (1, 2)}
    other = group.public_scalar(claimed)
    points = {0: other, **known}
    weights = shamir.lagrange((0, 1, 2), 3)
    third = group.ZERO
    for weight, value in zip(weights, points.values(), strict=True):
        third = group.add(third, group.multiply(weight, value))
    assert shamir.recover({**known, 3: third}) == other


def test_t_minus_1_nodes_cannot_evaluate() -> None:
    """What t − 1 nodes can make of their evaluations, at any third point, is not the output."""
    committee, holders = made(3, 5)
    blinded = modes.blind(Mode.VOPRF, b"x")
    known = {h.index: group.scale(h.pair.secret, blinded.element) for h in holders[:2]}
    expected = group.scale(KEY, blinded.element)
    for guess in (group.IDENTITY, blinded.element, committee.public, committee.shares[3]):
        points = [known[1], known[2], guess]
        assert group.weighted_sum(shamir.lagrange((1, 2, 3)), points) != expected
    assert group.weighted_sum(shamir.lagrange((1, 2)), list(known.values())) != expected


@pytest.mark.parametrize("liar", [1, 2, 3])
def test_a_wrong_share_names_its_node(liar: int) -> None:
    """A share other than the committed one is refused, its node named, the others combine."""
    committee, holders = made(2, 3)
    wrong = ShareHolder(liar, modes.generate_key_pair())
    used = [wrong if holder.index == liar else holder for holder in holders]
    blinded = modes.blind(Mode.VOPRF, b"x")
    answers = [threshold.evaluate_share(holder, [blinded.element]) for holder in used]
    with pytest.raises(ShareWrong) as caught:
        threshold.verify_answer(committee, [blinded.element], answers[liar - 1])
    assert caught.value.node == liar
    combined = threshold.combine(committee, [blinded.element], answers)
    assert [error.node for error in combined.wrong] == [liar]
    assert combined.evaluations == {0: group.scale(KEY, blinded.element)}


def test_a_node_cannot_answer_with_its_neighbour_s_share() -> None:
    """A correct evaluation and proof of another node's share is wrong under one's own name."""
    committee, holders = made(2, 3)
    blinded = modes.blind(Mode.VOPRF, b"x")
    answer = threshold.evaluate_share(holders[0], [blinded.element])
    borrowed = Answer(2, answer.accepted, answer.evaluated, answer.proof)
    with pytest.raises(ShareWrong, match="node 2"):
        threshold.verify_answer(committee, [blinded.element], borrowed)


@settings(max_examples=15)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=5, max_size=5))
def test_a_batch_combines_what_t_nodes_accepted(accepting: list[list[bool]]) -> None:
    """Exactly the positions with t acceptances have an output, whatever each node refused."""
    committee, holders = made(3, 5)
    inputs = [bytes([number]) for number in range(4)]
    blinded = [modes.blind(Mode.VOPRF, data) for data in inputs]
    elements = [item.element for item in blinded]
    answers = [
        threshold.evaluate_share(
            holder, elements, accepted=[at for at, yes in enumerate(row) if yes]
        )
        for holder, row in zip(holders, accepting, strict=True)
    ]
    combined = threshold.finalize_shares(committee, blinded, answers)
    enough = {at for at in range(4) if sum(row[at] for row in accepting) >= 3}
    assert set(combined.outputs) == enough
    assert set(combined.missing) == set(range(4)) - enough
    for at in enough:
        assert combined.outputs[at] == modes.evaluate_directly(Mode.VOPRF, KEY, inputs[at])


def test_false_positions_are_wrong_answers() -> None:
    """Positions that repeat, fall, are out of the batch, or lack an evaluation name the node."""
    committee, holders = made(2, 3)
    elements = [modes.blind(Mode.VOPRF, bytes([n])).element for n in range(2)]
    right = threshold.evaluate_share(holders[0], elements)
    z, proof = right.evaluated, right.proof
    for bad in [
        Answer(1, (1, 0), z, proof),
        Answer(1, (0, 0), z, proof),
        Answer(1, (0, 2), z, proof),
        Answer(1, (-1, 0), z, proof),
        Answer(1, (0,), z, proof),
        Answer(1, (0, 1), z, None),
        Answer(1, (0, 1), (z[0], group.IDENTITY), proof),
        Answer(1, (0, 1), (z[0], b"short"), proof),
        Answer(1, (0, 1), (z[0], b"\xff" * 32), proof),
        Answer(1, (0, 1), (b"\x01" + bytes(31), z[1]), proof),
        Answer(1, (0, 1), (z[0], z[1].hex()), proof),  # type: ignore[arg-type]
        Answer(9, (0, 1), z, proof),
    ]:
        with pytest.raises(ShareWrong):
            threshold.verify_answer(committee, elements, bad)
    assert threshold.verify_answer(committee, elements, Answer(1, (), (), None)) == {}
    assert code_of(threshold.combine, committee, elements, [right, right]) == "OPRF_ANSWER_TWICE"


@pytest.mark.parametrize(("t", "n"), [(0, 1), (1, 2), (2, 4), (4, 3), (33, 65)])
def test_two_disjoint_quorums_are_refused(t: int, n: int) -> None:
    """2t > n always, and t <= n within the limit."""
    assert code_of(shamir.require_shape, t, n) == "OPRF_COMMITTEE_SHAPE"


def test_an_inconsistent_committee_is_refused() -> None:
    """A public share, or a public key, off the polynomial is found before anything is asked."""
    committee, _ = made(2, 3)
    stranger = modes.generate_key_pair().public
    for at in (1, 3):
        shares = {**committee.shares, at: stranger}
        assert code_of(Committee, 2, committee.public, shares) == "OPRF_COMMITTEE_INCONSISTENT"
    assert code_of(Committee, 2, stranger, committee.shares) == "OPRF_COMMITTEE_INCONSISTENT"
    moved = {0: committee.shares[1], 2: committee.shares[2], 3: committee.shares[3]}
    assert code_of(Committee, 2, committee.public, moved) == "OPRF_COMMITTEE_INCONSISTENT"
    assert code_of(Committee, 2, group.IDENTITY, committee.shares) == "OPRF_ELEMENT_IDENTITY"


def test_only_a_demonstration_has_two() -> None:
    """2 of 3 says that it is for a demonstration, 3 of 5 does not."""
    assert made(2, 3)[0].for_demonstration
    assert not made(3, 5)[0].for_demonstration
