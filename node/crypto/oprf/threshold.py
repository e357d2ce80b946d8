"""Threshold VOPRF: each node evaluates with its share and proves it; t answers combine.

An evaluation under the key k is Σ λ_j · (k_j · B) over any t nodes j. Each node's proof is checked
against that node's public share k_j · G, so a wrong share is refused and its node named. Without t
shares the output is as good as random: t − 1 points fit every value of f(0).
"""

# ruff: noqa: N818 - errors are statements (architecture.md, "Words"), not words ending in Error

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from node.crypto.oprf import dleq, group, modes, shamir
from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.group import Element, Randomness, Scalar
from node.crypto.oprf.modes import Blinded, KeyPair, Mode
from reconcile.model import ProtocolError, Where


class ShareWrong(ProtocolError):
    """Raised when a node's answer does not hold; `node` is its index in the committee."""

    def __init__(self, node: int, says: str) -> None:
        """Take the node and what is wrong with its answer."""
        super().__init__(
            "OPRF_SHARE_WRONG",
            f"node {node}: {says}",
            where=Where(field=f"answers[{node}]"),
            help="Keep the answer as evidence against the node; ask another one.",
        )
        self.node = node


@dataclass(frozen=True, slots=True)
class Committee:
    """Who holds the key: threshold, public key, and each node's public share by index from 1."""

    threshold: int
    public: Element
    shares: Mapping[int, Element]

    def __post_init__(self) -> None:
        """Check shape, elements, and that every share lies on one polynomial under `public`.

        Raises `ProtocolError` OPRF_COMMITTEE_SHAPE, OPRF_COMMITTEE_INCONSISTENT or an element's
        error: a committee that stands here combines to the same output for every t nodes.
        """
        shamir.require_shape(self.threshold, len(self.shares))
        if not all(1 <= index <= shamir.MAX_NODES for index in self.shares):
            raise _inconsistent("an index is out of bounds")
        group.element(self.public, "public")
        indices = sorted(self.shares)
        points = {i: group.element(self.shares[i], f"shares[{i}]") for i in indices}
        base = tuple(indices[: self.threshold])
        known = [points[i] for i in base]
        for at in (0, *indices[self.threshold :]):
            expected = self.public if at == 0 else points[at]
            if group.weighted_sum(shamir.lagrange(base, at), known) != expected:
                raise _inconsistent(f"the share of node {at}" if at else "the public key")

    @property
    def for_demonstration(self) -> bool:
        """Say whether two colluding nodes open everything: 2 of 3 is for a demonstration."""
        return self.threshold < 3  # noqa: PLR2004 - production is t >= 3 (blacklist.md, "Keys")


@dataclass(frozen=True, slots=True)
class ShareHolder:
    """One node's share of the key."""

    index: int
    pair: KeyPair

    @staticmethod
    def of(index: int, secret: Scalar) -> ShareHolder:
        """Return the holder of a secret share."""
        return ShareHolder(index, KeyPair(secret, group.scale_base(secret)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one node returns for a batch: the accepted positions, their evaluations, one proof."""

    node: int
    accepted: tuple[int, ...]
    evaluated: tuple[bytes, ...]
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class Combined:
    """Evaluations under the whole key by position, what is missing, and which nodes were wrong."""

    evaluations: Mapping[int, Element]
    missing: tuple[int, ...]
    wrong: tuple[ShareWrong, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """The PRF's outputs by position, what is missing, and which nodes were wrong."""

    outputs: Mapping[int, bytes]
    missing: tuple[int, ...]
    wrong: tuple[ShareWrong, ...] = ()


def evaluate_share(
    holder: ShareHolder,
    blinded: Sequence[bytes],
    *,
    accepted: Collection[int] | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> Answer:
    """Return a node's answer for the positions it accepts (all, where not said), proving those.

    A refused position costs the others nothing; accepting none gives an answer without a proof.
    """
    dleq.require_batch(len(blinded))
    chosen = range(len(blinded)) if accepted is None else sorted(set(accepted))
    positions = tuple(chosen)
    assert all(0 <= position < len(blinded) for position in positions), "positions are of the batch"
    if not positions:
        return Answer(holder.index, (), (), None)
    evaluated, proof = modes.evaluate_verifiably(
        holder.pair, [blinded[position] for position in positions], randomness=randomness
    )
    return Answer(holder.index, positions, tuple(evaluated), proof)


def verify_answer(
    committee: Committee, blinded: Sequence[bytes], answer: Answer
) -> dict[int, Element]:
    """Return a node's evaluations by position; raises `ShareWrong`, which names the node."""
    return _verified(committee, modes.read_elements(blinded, "blinded"), answer)


def combine(committee: Committee, blinded: Sequence[bytes], answers: Sequence[Answer]) -> Combined:
    """Combine, position by position, what t nodes accepted; wrong answers are named and left out.

    The caller retries `missing` with the same tickets. Which t correct nodes are used changes no
    byte of the result. Raises `ProtocolError` OPRF_ANSWER_TWICE where a node is counted twice, and
    an element's error where the batch itself holds a bad one.
    """
    points = modes.read_elements(blinded, "blinded")
    quorums, wrong = _quorums(committee, points, answers)
    evaluations = {}
    for position, by_node in quorums.items():
        whole, rest = shamir.whole_lagrange(tuple(by_node))
        summed = group.public_sum(whole, list(by_node.values()))
        evaluations[position] = group.scale(rest, summed)
    return Combined(evaluations, _missing(points, quorums), wrong)


def finalize_shares(
    committee: Committee, blinded: Sequence[Blinded], answers: Sequence[Answer]
) -> Outputs:
    """Return the 64-byte outputs by position: `combine` and `finalize` in one.

    The blind's inverse joins the Lagrange coefficients' denominator: one multiplication a position.
    """
    points = [item.element for item in blinded]
    quorums, wrong = _quorums(committee, points, answers)
    inverses = group.invert_all([blinded[position].blind for position in quorums])
    outputs = {}
    for (position, by_node), inverse in zip(quorums.items(), inverses, strict=True):
        whole, rest = shamir.whole_lagrange(tuple(by_node))
        summed = group.public_sum(whole, list(by_node.values()))
        unblinded = group.scale(group.multiply(rest, inverse), summed)
        outputs[position] = modes.output_of(blinded[position].input, unblinded)
    return Outputs(outputs, _missing(points, quorums), wrong)


def _verified(
    committee: Committee, blinded: Sequence[Element], answer: Answer
) -> dict[int, Element]:
    public = committee.shares.get(answer.node)
    if public is None:
        raise ShareWrong(answer.node, "is not of this committee")
    if not _are_positions(answer.accepted, len(blinded)):
        raise ShareWrong(answer.node, "the accepted positions are not ascending ones of the batch")
    if len(answer.evaluated) != len(answer.accepted):
        raise ShareWrong(answer.node, "not one evaluation for each accepted position")
    if not answer.accepted:
        return {}
    if answer.proof is None:
        raise ShareWrong(answer.node, "the proof is missing")
    asked = [blinded[position] for position in answer.accepted]
    try:
        holds = dleq.verify(Mode.VOPRF.context, public, answer.evaluated, asked, answer.proof)
    except ProtocolError as error:
        raise ShareWrong(answer.node, f"{error.code}: {error.message}") from error
    if not holds:
        raise ShareWrong(answer.node, "the proof does not show that its share was used")
    # `verify` decoded each of them.
    found = [Element(item) for item in answer.evaluated]
    return dict(zip(answer.accepted, found, strict=True))


def _are_positions(accepted: tuple[int, ...], count: int) -> bool:
    """Say whether these are ascending positions of a batch of `count`."""
    if len(accepted) == count:
        return accepted == tuple(range(count))
    return list(accepted) == sorted(set(accepted) & set(range(count)))


def _quorums(
    committee: Committee, blinded: Sequence[Element], answers: Sequence[Answer]
) -> tuple[dict[int, dict[int, Element]], tuple[ShareWrong, ...]]:
    """Return, by position that t nodes answered, the first t nodes' evaluations by node."""
    good: dict[int, dict[int, Element]] = {}
    wrong: list[ShareWrong] = []
    seen: set[int] = set()
    for answer in answers:
        if answer.node in seen:
            raise ProtocolError(
                "OPRF_ANSWER_TWICE",
                f"node {answer.node} answered twice",
                where=Where(field=f"answers[{answer.node}]"),
                help="Keep one answer a node: a share counts once.",
            )
        seen.add(answer.node)
        try:
            good[answer.node] = _verified(committee, blinded, answer)
        except ShareWrong as error:
            wrong.append(error)
    quorums = {}
    for position in range(len(blinded)):
        nodes = sorted(node for node, found in good.items() if position in found)
        if len(nodes) >= committee.threshold:
            chosen = nodes[: committee.threshold]
            quorums[position] = {node: good[node][position] for node in chosen}
    return quorums, tuple(wrong)


def _missing(
    blinded: Sequence[Element], quorums: Mapping[int, Mapping[int, Element]]
) -> tuple[int, ...]:
    return tuple(position for position in range(len(blinded)) if position not in quorums)


def require_complete(combined: Combined | Outputs, threshold: int) -> None:
    """Refuse what fewer than t nodes answered: `ProtocolError` OPRF_BELOW_THRESHOLD."""
    if combined.missing:
        named = "".join(f"; {error.message}" for error in combined.wrong)
        raise ProtocolError(
            "OPRF_BELOW_THRESHOLD",
            f"{len(combined.missing)} elements have fewer than {threshold} answers{named}",
            where=Where(field=f"blinded[{combined.missing[0]}]"),
            help="Ask the other nodes with the same tickets; a ticket is not used up by asking.",
        )


def _inconsistent(what: str) -> ProtocolError:
    return ProtocolError(
        "OPRF_COMMITTEE_INCONSISTENT",
        f"{what} does not lie on the committee's polynomial",
        where=Where(field="shares"),
        help="Read the committee again from the ledger; do not send it anything.",
    )
