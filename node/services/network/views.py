"""What the network service answers."""

from __future__ import annotations

from dataclasses import dataclass

from reconcile.model import AgreementKind, Side


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """A key's own consent to a role: what `registerKey`, admissions and sponsoring carry."""

    address: str
    role: str
    valid_from: int
    valid_to: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class KeyView:
    """A signing key of a member; block bounds are inclusive, `valid_to` None is open-ended."""

    address: str
    role: str
    state: str
    valid_from: int
    valid_to: int | None
    compromised_since_s: int | None


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member or participant; `name` is what this node calls it."""

    member: int
    name: str
    full: bool
    sponsor: int | None
    standing: str
    code_text: str | None
    ours: bool
    keys: tuple[KeyView, ...]


@dataclass(frozen=True, slots=True)
class MotionView:
    """A vote: `state` is OPEN, EXECUTED or EXPIRED; `passes` when it could be executed now."""

    motion: bytes
    action: str
    target: bytes
    target_name: str
    proposer: int
    approvers: tuple[int, ...]
    approvals: int
    eligible: int
    passes: bool
    expires_at: int | None
    state: str


@dataclass(frozen=True, slots=True)
class SideView:
    """One side of an agreement as its stream stands."""

    side: Side
    member: int
    name: str
    represented: bool
    seq: int
    head: bytes
    epoch: int | None
    epoch_state: str | None
    epoch_usable: bool
    closed_window: int | None
    batches: int
    entries: int
    invalid: int
    watermark_ms: int | None
    contiguous: bool


@dataclass(frozen=True, slots=True)
class AgreementView:
    """An agreement; `our_side` is None for an observer. `state`: OFFERED, ACTIVE, ENDING, ENDED."""

    agreement: bytes
    label: str
    kind: AgreementKind
    servicer: int
    owner: int
    observers: tuple[int, ...]
    represented_side: Side | None
    our_side: Side | None
    state: str
    terms_hash: bytes
    terms_known: bool
    account: str | None
    currencies: tuple[str, ...]
    sides: tuple[SideView, SideView]
    agreed_window: int | None
    agreed_digest: bytes | None


@dataclass(frozen=True, slots=True)
class TermsView:
    """Terms of an agreement: `state` PROPOSED, IN_FORCE or REPLACED; `side` proposed them."""

    terms_hash: bytes
    from_window: int
    side: Side | None
    state: str
    known: bool
