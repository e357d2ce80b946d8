"""t evaluations from the committee: asked at once, proofs checked, wrong shares named.

Nodes are asked in an order that is drawn for each request, t of them first; who fails, refuses or
answers wrongly is replaced by the next. What t nodes accepted is combined, position by position.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from node.committees import EpochCommittee
from node.crypto.eip712 import Domain
from node.crypto.oprf import threshold
from node.crypto.oprf.modes import Blinded
from node.crypto.oprf.threshold import Outputs, ShareWrong
from node.crypto.signer import recover_address
from node.screening.countersigning import countersigned_digest
from node.screening.evaluations import Asked, NodeAnswer, Refused, read_answer, write_request
from reconcile.model import KanheError, OutsideError, ProtocolError, Where

EVALUATE: Final = "lookups/evaluate"
Ask = Callable[[int, str, bytes], bytes]
Check = Callable[[int, NodeAnswer], None]


@dataclass(slots=True)
class Tally:
    """What came back: good answers by member, and what went wrong, in words with the member."""

    answers: dict[int, NodeAnswer] = field(default_factory=dict)
    wrong: dict[int, KanheError] = field(default_factory=dict)

    def refusals(self, position: int) -> list[tuple[int, Refused]]:
        """Return why nodes refused a position."""
        return [
            (member, item)
            for member, found in sorted(self.answers.items())
            for item in found.refused
            if item.position == position
        ]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The outputs by position, and every answer with everything that went wrong."""

    outputs: Outputs
    tally: Tally

    def answers(self, position: int) -> list[NodeAnswer]:
        """Return the answers that evaluated a position."""
        return [one for one in self.tally.answers.values() if position in one.answer.accepted]


def evaluate(
    epoch: EpochCommittee,
    items: Sequence[Asked],
    blinded: Sequence[Blinded],
    ask: Ask,
    pool: Executor,
    *,
    check: Check | None = None,
) -> Evaluated:
    """Ask until every position has t good answers or nobody is left to ask.

    `check` raises for a member's answer that lacks more than its proof.
    """
    body = write_request(epoch.key_epoch, items, sharing=epoch.sharing)
    waiting = list(epoch.members)
    secrets.SystemRandom().shuffle(waiting)
    tally = Tally()
    elements = [item.element for item in blinded]
    while True:
        missing = _missing(epoch, len(items), tally)
        if not missing or not waiting:
            break
        asked, waiting = waiting[:missing], waiting[missing:]
        for member, found in zip(
            asked,
            pool.map(lambda one: _one(epoch, one, body, elements, ask, check), asked),
            strict=True,
        ):
            if isinstance(found, KanheError):
                tally.wrong[member] = found
            else:
                tally.answers[member] = found
    answers = tuple(found.answer for found in tally.answers.values() if found.answer.accepted)
    outputs = threshold.finalize_shares(epoch.committee, blinded, answers)
    return Evaluated(outputs, tally)


def countersignature_check(
    domain: Domain,
    reader: int,
    key_epoch: int,
    requests: Sequence[tuple[int, bytes]],
    speaking: Collection[tuple[int, str]],
) -> Check:
    """Return what holds each answer's countersignatures, by the speaking keys (member, address).

    `requests` are the tickets and the digests that the reader signed, by position. It raises
    `ProtocolError` COUNTERSIGNATURE_WRONG: a node that answers without one would leave the uploader
    unpaid.
    """

    def check(member: int, found: NodeAnswer) -> None:
        for position in found.answer.accepted:
            ticket, request = requests[position]
            digest = countersigned_digest(
                domain, reader=reader, ticket=ticket, key_epoch=key_epoch, request=request
            )
            signature = found.countersigned.get(position, b"")
            try:
                holds = (member, recover_address(digest, signature)) in speaking
            except ProtocolError:
                holds = False
            if not holds:
                raise ProtocolError(
                    "COUNTERSIGNATURE_WRONG",
                    f"ticket {ticket} is not countersigned by a present key of member {member}",
                    where=Where(field="countersigned"),
                    help="another node is asked; let this node catch up if that key is a new one",
                )

    return check


def _missing(epoch: EpochCommittee, count: int, tally: Tally) -> int:
    """Return how many more nodes are needed by the position that has the fewest answers."""
    accepted = [set(found.answer.accepted) for found in tally.answers.values()]
    fewest = min(sum(position in one for one in accepted) for position in range(count))
    return max(0, epoch.committee.threshold - fewest)


def _one(
    epoch: EpochCommittee,
    member: int,
    body: bytes,
    elements: Sequence[bytes],
    ask: Ask,
    check: Check | None,
) -> NodeAnswer | KanheError:
    try:
        found = read_answer(ask(member, EVALUATE, body))
        if found.answer.node != epoch.index_of(member):
            raise ShareWrong(epoch.index_of(member) or 0, "answers under another node's number")
        threshold.verify_answer(epoch.committee, elements, found.answer)
        if check is not None:
            check(member, found)
    except KanheError as error:
        return error
    return found


def require_output(found: Evaluated, position: int, epoch: EpochCommittee) -> bytes:
    """Return a position's output, or refuse with the clearest of what stood in its way.

    A refusal that as many nodes gave as leave fewer than t is the answer itself: its code comes
    through. Else `ProtocolError` OPRF_BELOW_THRESHOLD names every node and what it said.
    """
    output = found.outputs.outputs.get(position)
    if output is not None:
        return output
    refusals = found.tally.refusals(position)
    nodes, needed = len(epoch.members), epoch.committee.threshold
    said = [f"member {member}: {item.code}, {item.message}" for member, item in refusals]
    said += [
        f"member {member}: {error.code}, {error.message}"
        for member, error in sorted(found.tally.wrong.items())
    ]
    codes = {item.code for _, item in refusals}
    if len(codes) == 1 and len(refusals) > nodes - needed:
        raise ProtocolError(
            refusals[0][1].code,
            "; ".join(said),
            where=Where(field="lookup"),
            help="the committee evaluated nothing for this lookup; the ticket is not used up by it",
        )
    unreachable = all(isinstance(error, OutsideError) for error in found.tally.wrong.values())
    if not refusals and unreachable:
        raise OutsideError(
            "OPRF_BELOW_THRESHOLD",
            f"fewer than {needed} nodes answered: {'; '.join(said)}",
            help="try again later with the same lookup; its ticket stays good",
        )
    raise ProtocolError(
        "OPRF_BELOW_THRESHOLD",
        f"fewer than {needed} nodes evaluated this element: {'; '.join(said)}",
        where=Where(field="lookup"),
        help="try again with the same lookup; a node that answers wrongly is an incident",
    )
