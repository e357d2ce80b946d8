"""What TxDtls says about an entry: its kind, references, the other party, remittance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reconcile.model import Carrier, Direction
from reconcile.statements.camt_plan import DetailPlan, KindPlan
from reconcile.statements.drafts import Draft
from reconcile.statements.texts import reference, tidy

Texts = Sequence[str]
SERVICER_REF: Final = int(Carrier.SERVICER_REF)


class Detail(NamedTuple):
    """One TxDtls: its plan, its texts and its line."""

    plan: DetailPlan
    texts: Texts
    line: int


def kind_of(plan: KindPlan, texts: Texts) -> str | None:
    """Write BkTxCd as PMNT-RCDT-ESCT, else the bank's own code."""
    words = [text for at in plan.domain if (text := texts[at].strip())]
    return "-".join(words) if words else texts[plan.own].strip() or None


def amount_of(detail: Detail) -> tuple[str, str]:
    """Return the text and currency of a detail's own amount, empty where it has none."""
    for amount, currency in detail.plan.amounts:
        text = detail.texts[amount].strip()
        if text:
            return text, detail.texts[currency].strip()
    return "", ""


def add_references(draft: Draft, plan: DetailPlan, texts: Texts) -> None:
    """Read TransactionReferences; the servicer's own is what the source calls the entry."""
    found = dict(draft.references)
    for carrier, at in plan.carriers:
        text = reference(texts[at])
        if text:
            found[carrier] = text
            if carrier == SERVICER_REF:
                draft.source_ref = text
    draft.references = tuple(sorted(found.items())) if len(found) > 1 else tuple(found.items())


def add_party(draft: Draft, plan: DetailPlan, texts: Texts) -> None:
    """Read the other party: who paid when money came in, who was paid when it left.

    Of a reversal the parties are those of the original, so the roles are swapped.
    """
    payer = (draft.direction is Direction.IN) is not draft.is_reversal
    party = plan.payer if payer else plan.payee
    for at in party.names:
        if text := tidy(texts[at]):
            draft.counterparty_name = text
            break
    for at in party.accounts:
        if text := tidy(texts[at]):
            draft.counterparty_account = text
            break


def remittance_of(plan: DetailPlan, texts: Texts) -> str | None:
    """Read RmtInf: unstructured lines, then creditor references and additions; else AddtlTxInf."""
    if len(plan.remittance) == 1:
        found = tidy(texts[plan.remittance[0]])
    else:
        words = [word for at in plan.remittance if (word := texts[at].strip())]
        found = tidy(" ".join(words)) if words else None
    return found or tidy(texts[plan.extra])
