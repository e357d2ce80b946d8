"""Proposals: what the passes could not or may not confirm, made once after the last round (rule 3).

`unique` passes and every tolerant or fee step give one per connected component of their
candidates, `never` passes one per block of equal keys (and amount, where it is exact), N:M passes
one per solution.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from reconcile.matching.engine import ALWAYS, MANY_IDS, NEVER, Engine, Plan
from reconcile.matching.keys import proposal_key
from reconcile.matching.residue import AMBIGUOUS, NEVER_CONFIRMED, subset_proposals
from reconcile.matching.run_input import ProposalRefs
from reconcile.matching.source import EXACT, TOLERANT
from reconcile.matching.steps import IdSets
from reconcile.model import Proposal, Side

MAX_REFS: Final = 16

BUDGET_EXCEEDED: Final = "BUDGET_EXCEEDED"

Reasoned = tuple[list[int], list[int], str]


def propose(
    engine: Engine, agreement: bytes
) -> tuple[tuple[Proposal, ...], tuple[ProposalRefs, ...]]:
    """Return all proposals, by pass and then by their first entry, and each one's full refs."""
    proposals: dict[bytes, Proposal] = {}
    full: list[ProposalRefs] = []
    for plan in engine.plans:
        sets = list(_reasoned_sets(engine, plan)) if engine.alive(plan) else []
        for servicer, owner, reason in _in_order(engine, sets) if sets else ():
            if not engine.rejects(servicer, owner):
                made, refs = _proposal(engine, agreement, plan, (servicer, owner), reason)
                if made.key not in proposals:
                    proposals[made.key] = made
                    full.append((made.key, refs))
    return tuple(proposals.values()), tuple(full)


def _reasoned_sets(engine: Engine, plan: Plan) -> Iterable[Reasoned]:
    """Return the pass's candidates, each with the reason why nobody confirmed it."""
    if plan.searched:
        yield from subset_proposals(engine, plan)
    for servicer, owner in _candidate_sets(engine, plan):
        reason = AMBIGUOUS
        if plan.rule.confirm == NEVER:
            reason = NEVER_CONFIRMED
        elif TOLERANT in plan.loose_kinds and engine.currency(servicer[0]) in engine.strict:
            reason = BUDGET_EXCEEDED
        yield servicer, owner, reason


def _in_order(engine: Engine, sets: Sequence[Reasoned]) -> list[Reasoned]:
    """Return the sets by their first entry, each side in the total order."""
    few = [ids for s, o, _ in sets for ids in (s, o) if len(ids) < MANY_IDS]
    order = engine.orders([item for ids in few for item in ids])

    def ordered(side: Side, ids: list[int]) -> list[int]:
        if len(ids) < MANY_IDS:
            return sorted(ids, key=order.__getitem__)
        # By columns: millions that are all alike are one set.
        turned = engine.in_order(side, ids)
        order.update(engine.orders(turned[:1]))
        return turned

    turned = [(ordered(Side.SERVICER, s), ordered(Side.OWNER, o), why) for s, o, why in sets]
    return sorted(turned, key=lambda found: min(order[found[0][0]], order[found[1][0]]))


def _candidate_sets(engine: Engine, plan: Plan) -> Iterable[IdSets]:
    kinds = plan.loose_kinds if plan.rule.confirm == ALWAYS else (EXACT, *plan.loose_kinds)
    if plan.single and kinds:
        if plan.rule.confirm == NEVER:
            yield from engine.steps.candidate_blocks(plan, kinds)
        else:
            yield from _components(engine, plan, kinds)
    if plan.grouped and plan.key is not None:
        for kind in (EXACT, *plan.loose_kinds):
            for group in engine.steps.grouped(plan, kind, frozenset()):
                yield list(group.servicer), list(group.owner)


def _components(engine: Engine, plan: Plan, kinds: Iterable[int]) -> Iterable[IdSets]:
    parent: dict[int, int] = {}
    owners: set[int] = set()

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for kind in kinds:
        for s, o in engine.steps.edges(plan, kind):
            owners.add(o)
            low, high = sorted((root(s), root(o)))
            parent[high] = low
    members: dict[int, IdSets] = defaultdict(lambda: ([], []))
    for node in parent:
        members[root(node)][node in owners].append(node)
    return members.values()


def _proposal(
    engine: Engine, agreement: bytes, plan: Plan, ids: IdSets, reason: str
) -> tuple[Proposal, tuple[tuple[str, ...], tuple[str, ...]]]:
    s_refs, o_refs = engine.refs(ids[0]), engine.refs(ids[1])
    made = Proposal(
        key=proposal_key(agreement, plan.number, s_refs, o_refs),
        pass_name=plan.rule.name,
        servicer=s_refs[:MAX_REFS],
        owner=o_refs[:MAX_REFS],
        servicer_count=len(s_refs),
        owner_count=len(o_refs),
        reason=reason,
    )
    return made, (s_refs, o_refs)
