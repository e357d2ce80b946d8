"""What a run reads and what matching leaves behind: the values between streams and report."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from reconcile.entries import EntryTable
from reconcile.matching.groups import Groups
from reconcile.model import (
    AgreementKind,
    Decision,
    Entry,
    MatchGroup,
    OpenResidual,
    Proposal,
    Side,
    SideBook,
    WrittenOff,
)
from reconcile.terms import Terms

ProposalRefs = tuple[bytes, tuple[tuple[str, ...], tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class AgreedGroup:
    """A group of an earlier agreed report that something in this run names, with its entries.

    An amendment, a `reversal_of`, a `group_ref` or an effective decision may name it.
    """

    group: MatchGroup
    servicer: tuple[Entry, ...]
    owner: tuple[Entry, ...]

    @property
    def refs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the refs of both sides."""
        return self.group.servicer, self.group.owner

    def entries(self, side: Side) -> tuple[Entry, ...]:
        """Return the entries of one side."""
        return self.owner if side is Side.OWNER else self.servicer


@dataclass(frozen=True, slots=True)
class RunInput:
    """Both sides' closed streams since the last agreed report, and what that report carried.

    `agreement`: 32 bytes. `window`: the run's last window; `previous_window`: that of the last
    agreed report, None before any. `held`: refs by side that an effective unmatch freed, which only
    a decision groups again. `rejected`: sets (servicer's refs, owner's refs) that took effect as
    rejected in earlier runs. `last_decisions`: subject -> hash of its last effective decision.
    `settled`: refs by side of earlier groups whose amendments are listed and change nothing.
    """

    agreement: bytes
    kind: AgreementKind
    window: int
    previous_window: int | None
    terms: Terms
    servicer: SideBook
    owner: SideBook
    residuals: tuple[OpenResidual, ...] = ()
    written_off: tuple[WrittenOff, ...] = ()
    agreed_groups: tuple[AgreedGroup, ...] = ()
    held: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    rejected: frozenset[tuple[frozenset[str], frozenset[str]]] = frozenset()
    last_decisions: tuple[tuple[bytes, bytes], ...] = ()
    settled: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    threads: int | None = None

    def book(self, side: Side) -> SideBook:
        """Return one side's book."""
        return self.owner if side is Side.OWNER else self.servicer


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A near miss of rule 8 by refs.

    `pass_name` None: sole candidates of rule 8(b). `split`: all that remains under one key.
    """

    pass_name: str | None
    split: bool
    servicer: tuple[str, ...]
    owner: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppliedDecision:
    """A decision that both sides posted: applied, or void with the reason that is listed."""

    decision: Decision
    void_reason: str | None = None

    @property
    def applied(self) -> bool:
        """Say whether it took effect."""
        return self.void_reason is None


@dataclass(frozen=True, slots=True)
class ReversalLink:
    """A zero-amount link from a reversal or return to its original on the same side (rule 7).

    `subject`: the group that holds the original, None while the original is open.
    """

    side: Side
    entry_ref: str
    original_ref: str
    subject: bytes | None


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry whose group_ref is the subject of an open residual or write-off: it books it.

    `minor` is what it adds to servicer - owner; the open amount shrinks by it.
    """

    subject: bytes
    side: Side
    entry_ref: str
    currency: str
    minor: int
    written_off: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry the report lists without effect: `amendment` of a settled one, or `repeat`."""

    side: Side
    entry_ref: str
    version: int
    why: str


@dataclass(frozen=True, slots=True)
class Matched:
    """What the passes left: every open entry is in one group, or open, and nowhere else.

    `groups`: canonical order (servicer's refs, owner's refs). `open`: by side, all that no group
    holds, near misses and VOID entries included, in the total order. `near` partitions part of
    it. `residuals`, `written_off`: what stays open for the next run, earlier and new together;
    a report sums these and never the groups' residuals again. `held`, `rejected`,
    `last_decisions`: for the next run's input. `proposal_refs`: (key, all refs by side) of each
    proposal. `entries`: by side, every entry of this run, grouped ones too, each ref once, in no
    order; `mates`: their places of the two entries of each 1:1 group.
    """

    groups: Groups
    proposals: tuple[Proposal, ...]
    near: tuple[NearMiss, ...]
    open: tuple[tuple[Entry, ...], tuple[Entry, ...]]
    decisions: tuple[AppliedDecision, ...] = ()
    links: tuple[ReversalLink, ...] = ()
    booked: tuple[Booked, ...] = ()
    listed: tuple[Listed, ...] = ()
    residuals: tuple[OpenResidual, ...] = ()
    written_off: tuple[WrittenOff, ...] = ()
    held: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    rejected: frozenset[tuple[frozenset[str], frozenset[str]]] = frozenset()
    last_decisions: tuple[tuple[bytes, bytes], ...] = ()
    proposal_refs: tuple[ProposalRefs, ...] = ()
    entries: tuple[EntryTable, EntryTable] = field(kw_only=True, repr=False, compare=False)
    mates: tuple[pa.Array, pa.Array] = field(kw_only=True, repr=False, compare=False)
