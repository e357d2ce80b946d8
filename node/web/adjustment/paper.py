"""What stands on a 余额调节表, in words: the owner's balance first, then the servicer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from node.tables import Attestation
from node.web.adjustment.origins import item_words
from node.web.i18n import Speaker
from node.web.node_view import NodeView
from node.web.pages import reading
from node.web.read.parties import AgreementView
from node.web.words import N_
from reconcile.model import AgreementKind, Side, day_iso, window_day
from reconcile.report import AdjustmentItem, AdjustmentSheet, SectionName

# Beyond these a paper is no paper; the sums stay whole, and the signed JSON holds every item.
MAX_ITEMS: Final = 1_000
ORDER: Final = (Side.OWNER, Side.SERVICER)
SECTIONS: Final[Mapping[Side, tuple[SectionName, ...]]] = {
    Side.OWNER: (SectionName.SERVICER_IN, SectionName.SERVICER_OUT, SectionName.DIFFERENCES),
    Side.SERVICER: (SectionName.OWNER_IN, SectionName.OWNER_OUT, SectionName.DIFFERENCES),
}
NUMBERS: Final = {name: number for number, name in enumerate(SectionName, start=1)}

BALANCES: Final[Mapping[AgreementKind, tuple[str, str]]] = {
    AgreementKind.BANK_ENTERPRISE: (
        N_("Balance by the bank's statement"),
        N_("Balance by the enterprise's bank journal"),
    ),
}
ANY_BALANCE: Final = (N_("Balance in the servicer's book"), N_("Balance in the owner's book"))
BANK_TITLES: Final[Mapping[SectionName, str]] = {
    SectionName.SERVICER_IN: N_("Add: received by the bank, not yet by the enterprise"),
    SectionName.SERVICER_OUT: N_("Deduct: paid by the bank, not yet by the enterprise"),
    SectionName.OWNER_IN: N_("Add: received by the enterprise, not yet by the bank"),
    SectionName.OWNER_OUT: N_("Deduct: paid by the enterprise, not yet by the bank"),
}
TITLES: Final[Mapping[SectionName, str]] = {
    SectionName.SERVICER_IN: N_("Add: booked in by the servicer, not yet by the owner"),
    SectionName.SERVICER_OUT: N_("Deduct: booked out by the servicer, not yet by the owner"),
    SectionName.OWNER_IN: N_("Add: booked in by the owner, not yet by the servicer"),
    SectionName.OWNER_OUT: N_("Deduct: booked out by the owner, not yet by the servicer"),
    SectionName.DIFFERENCES: N_("Errors and differences"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One item in words. `minor` adjusts the balance of its block."""

    what: str
    day: str
    age: str
    voucher: str
    remark: str
    minor: int
    day_iso: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A section inside a block; `left` items beyond the limit come to `left_minor`."""

    title: str
    rows: tuple[Row, ...]
    total_minor: int
    left: int = 0
    left_minor: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One side's balance, what adjusts it, and what it comes to."""

    side: Side
    name: str
    title: str
    basis: str
    closing_minor: int
    parts: tuple[Part, ...]
    adjusted_minor: int


@dataclass(frozen=True, slots=True)
class Currency:
    """One currency's sheet: the owner's block, then the servicer's."""

    currency: str
    digits: int
    blocks: tuple[Block, ...]

    @property
    def difference_minor(self) -> int:
        """Return the servicer's adjusted balance minus the owner's: the proof amount."""
        owner, servicer = (block.adjusted_minor for block in self.blocks)
        return servicer - owner


@dataclass(frozen=True, slots=True)
class Signer:
    """One party's place to sign; `key` and `signature` where it signed the result on the ledger.

    `prepared_by`, `reviewed_by`: names this institution knows, so those of its own side only.
    """

    side: Side
    name: str
    key: str = ""
    prepared_by: str = ""
    reviewed_by: str = ""


@dataclass(frozen=True)
class Paper:
    """A 余额调节表, ready to be written down."""

    speaker: Speaker
    label: str
    account: str
    names: tuple[str, str]
    window: int
    digest: str
    agreed: bool
    complete: bool
    balance_proven: bool
    currencies: tuple[Currency, ...]
    signers: tuple[Signer, ...]

    @property
    def title(self) -> str:
        """Return the paper's title."""
        return self.speaker.gettext("Balance reconciliation statement")

    @property
    def day(self) -> str:
        """Return the day it stands for, in words."""
        if self.window == 0:
            return self.speaker.gettext("Opening position")
        return self.speaker.day(window_day(self.window))

    @property
    def stem(self) -> str:
        """Return the file's name without its ending."""
        day = "opening" if self.window == 0 else day_iso(window_day(self.window))
        session = f"-{self.window % 8}" if self.window % 8 else ""
        return f"kanhe-adjustment-{day}{session}-{self.digest[:8]}-{self.speaker.locale}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return what identifies the paper, as names and texts."""
        _ = self.speaker.gettext
        agreed = _("agreed: both sides signed this result") if self.agreed else _("not agreed yet")
        pairs = (
            (_("Agreement"), self.label),
            (_("Account"), self.account),
            (_("Account servicer"), self.names[Side.SERVICER]),
            (_("Account owner"), self.names[Side.OWNER]),
            (_("As of"), self.day),
            (_("State"), agreed),
            (_("Digest of the report"), self.digest),
        )
        return tuple((name, text) for name, text in pairs if text)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a reader must know before relying on the figures."""
        _ = self.speaker.gettext
        said = []
        if not self.complete:
            said.append(_("The run is not complete: an identity of its report does not hold."))
        elif not self.balance_proven:
            said.append(_("Flow reconciled, balance not proven: a balance is derived, not stated."))
        return tuple(said)

    def verdict(self, sheet: Currency) -> str:
        """Say whether the adjusted balances agree."""
        _ = self.speaker.gettext
        if sheet.difference_minor == 0:
            return _("The adjusted balances agree.")
        return _("The adjusted balances differ by %(amount)s.") % {
            "amount": self.speaker.money(sheet.difference_minor, sheet.currency)
        }


def load_paper(node: NodeView, view: AgreementView, window: int, speaker: Speaker) -> Paper:
    """Return a window's paper; UsageError REPORT_NOT_COMPUTED before its proof."""
    found = node.reconciliation.adjustment(view.agreement, window)
    stored = found.stored
    signers = [
        Signer(side, view.names[side], *_key(node, view, window, side, stored.digest))
        for side in ORDER
    ]
    if view.ours is not None:
        people = (found.prepared_by, found.reviewed_by)
        signers = [
            Signer(item.side, item.name, item.key, *people) if item.side is view.ours else item
            for item in signers
        ]
    return Paper(
        speaker=speaker,
        label=view.label,
        account=view.account or "",
        names=view.names,
        window=window,
        digest=stored.digest.hex(),
        agreed=found.agreed,
        complete=bool(stored.report["complete"]),
        balance_proven=bool(stored.report["balance_proven"]),
        currencies=tuple(
            sheet_words(sheet, view.kind, view.names, speaker) for sheet in found.sheets
        ),
        signers=tuple(signers),
    )


def _key(
    node: NodeView, view: AgreementView, window: int, side: Side, digest: bytes
) -> tuple[str, ...]:
    """Return the address that signed this very result for a side, if one did."""
    with reading(node)() as session:
        row = session.execute(
            select(Attestation)
            .where(
                Attestation.agreement == view.agreement,
                Attestation.side == int(side),
                Attestation.window == window,
                Attestation.digest == digest,
            )
            .order_by(Attestation.revision.desc())
            .limit(1)
        ).scalar_one_or_none()
    return () if row is None or row.signer is None else (f"0x{row.signer.hex()}",)


def sheet_words(
    sheet: AdjustmentSheet, kind: AgreementKind, names: Sequence[str], speaker: Speaker
) -> Currency:
    """Return one currency's sheet in words."""
    titles = BALANCES.get(kind, ANY_BALANCE)
    by_name = {section.name: section for section in sheet.sections}
    blocks = []
    for side in ORDER:
        parts = []
        for name in SECTIONS[side]:
            items = by_name[name].of_side(side)
            if items or name is not SectionName.DIFFERENCES or side is Side.OWNER:
                parts.append(_part(name, kind, items, speaker))
        blocks.append(
            Block(
                side=side,
                name=names[side],
                title=speaker.gettext(titles[side]),
                basis=sheet.bases[side],
                closing_minor=sheet.closings[side],
                parts=tuple(parts),
                adjusted_minor=sheet.adjusted[side],
            )
        )
    return Currency(sheet.currency, sheet.digits, tuple(blocks))


def _part(
    name: SectionName, kind: AgreementKind, items: Sequence[AdjustmentItem], speaker: Speaker
) -> Part:
    titles = {**TITLES, **(BANK_TITLES if kind is AgreementKind.BANK_ENTERPRISE else {})}
    kept, left = items[:MAX_ITEMS], items[MAX_ITEMS:]
    return Part(
        title=f"{NUMBERS[name]}. {speaker.gettext(titles[name])}",
        rows=tuple(Row(*item_words(item, speaker), item.minor, item.day) for item in kept),
        total_minor=sum(item.minor for item in items),
        left=len(left),
        left_minor=sum(item.minor for item in left),
    )
