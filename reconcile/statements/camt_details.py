"""What TxDtls says about an entry: references, the other party, remittance information."""

from __future__ import annotations

from typing import Final

from reconcile.model import Carrier, Direction
from reconcile.statements.camt_xml import Element, child, children, text_of
from reconcile.statements.drafts import Draft
from reconcile.statements.texts import reference, tidy

_CARRIERS: Final = {
    "EndToEndId": Carrier.END_TO_END_ID,
    "InstrId": Carrier.INSTRUCTION_ID,
    "TxId": Carrier.TRANSACTION_ID,
    "UETR": Carrier.UETR,
    "AcctSvcrRef": Carrier.SERVICER_REF,
    "ChqNb": Carrier.VOUCHER_NO,
    "ClrSysRef": Carrier.TRACE_NO,
}


def add_references(draft: Draft, refs: Element | None, prefix: str) -> None:
    """Read TransactionReferences; PmtInfId groups the payments of one order."""
    if refs is None:
        return
    found = dict(draft.references)
    skip = len(prefix)
    for one in refs:
        word = str(one.tag)[skip:]
        carrier = _CARRIERS.get(word)
        if carrier is not None:
            text = reference(one.text)
            if text:
                found[int(carrier)] = text
                if carrier is Carrier.SERVICER_REF:
                    draft.source_ref = text
        elif word == "PmtInfId":
            draft.group_ref = reference(one.text) or draft.group_ref
    draft.references = tuple(sorted(found.items()))


def add_party(draft: Draft, parties: Element | None, prefix: str) -> None:
    """Read the other party: who paid when money came in, who was paid when it left.

    Of a reversal the parties are those of the original, so the roles are swapped.
    """
    if parties is None:
        return
    payer = (draft.direction is Direction.IN) is not draft.is_reversal
    word = "Dbtr" if payer else "Cdtr"
    party = child(parties, prefix, word)
    # From version 08 on a party is a choice of Pty and Agt.
    inner = child(party, prefix, "Pty")
    agent = child(child(party, prefix, "Agt"), prefix, "FinInstnId")
    draft.counterparty_name = tidy(
        text_of(inner if inner is not None else party, prefix, "Nm")
        or text_of(agent, prefix, "Nm")
        or text_of(child(parties, prefix, "Ultmt" + word), prefix, "Nm"),
    )
    account = child(child(parties, prefix, word + "Acct"), prefix, "Id")
    draft.counterparty_account = tidy(
        text_of(account, prefix, "IBAN") or text_of(account, prefix, "Othr", "Id"),
    )


def remittance_of(info: Element | None, prefix: str) -> str | None:
    """Read RmtInf: the unstructured lines, then creditor references and their additions."""
    if info is None:
        return None
    words = [one.text or "" for one in children(info, prefix, "Ustrd")]
    for structured in children(info, prefix, "Strd"):
        words.append(text_of(structured, prefix, "CdtrRefInf", "Ref") or "")
        words.extend(one.text or "" for one in children(structured, prefix, "AddtlRmtInf"))
    return tidy(" ".join(word.strip() for word in words if word.strip()))
