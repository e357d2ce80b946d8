"""Field :86:, information to the account owner, in the structures that banks agreed on.

166?00…?20…?29…?30…?32…   German banks (DFÜ agreement, appendix 3, chapter 8.2), with the
                          SEPA keywords EREF+ KREF+ MREF+ CRED+ SVWZ+ inside ?20-?29, ?60-?63
/EREF/…/REMI/…            Dutch banks and SWIFT's structured code words
anything else             free text
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import mt940
from mt940 import models, processors

from reconcile.statements.mt940_fields import MAX_FIELD_CHARACTERS
from reconcile.statements.texts import reference, tidy

WRAP: Final = 65
"""SWIFT: 6*65x. A line this long goes on in the next without a space."""

CODED_WRAP: Final = 64
"""The same for text in code words: some banks wrap it one earlier."""

_STRUCTURED: Final = re.compile(r"\d{3}([?>~<^@%])\d{2}")
_CODE_WORDS: Final = (
    "EREF|PREF|KREF|IREF|CREF|RREF|MREF|MARF|CSID|CRED|ORDP|BENM|NAME|ADDR|IBAN|BIC|REMI|ISDT|"
    "RTRN|RTYP|TRTP|TRCD|SVCL|CNTP|ULTC|ULTD|ULTB|PURP|OCMT|EXCH|CHGS|CHG|IACC|NRTX|ROC|SVWZ|"
    "INFO|ACCW|IPOF|MISC|OAMT|CHRG|TXDT|USTD|STRD|CREDITORREF|AREF|ID|ADRS|CITY|ACC"
)
CODE: Final = re.compile(rf"/({_CODE_WORDS})/")
_PARTY_CODES: Final = ("NAME", "BENM", "ORDP", "CNTP")

_IBAN_FIELD: Final = re.compile(r"\?38([A-Z]{2}\d{2}[A-Z0-9]{10,30})")

# Business transaction codes (GVC) of returns: direct debits, credit transfers, cheques.
_RETURN_CODES: Final = frozenset({"008", "009", "059", "108", "109", "159"})

_TRANSACTIONS: Final = models.Transactions(options=mt940.Options.all())
_DETAILS_TAG: Final = mt940.tags.TransactionDetails()


@dataclass(frozen=True, slots=True)
class Details:
    """What :86: says about an entry."""

    end_to_end_id: str | None = None
    instruction_id: str | None = None
    counterparty_name: str | None = None
    counterparty_account: str | None = None
    remittance: str | None = None
    kind: str | None = None
    returned: bool = False


def details_of(text: str) -> Details:
    """Read the value of one or several :86: fields of an entry."""
    text = text[:MAX_FIELD_CHARACTERS]
    joined = "".join(line.strip("\r") for line in text.split("\n"))
    if found := _STRUCTURED.match(joined):
        return _german(joined, found[1])
    if CODE.match(joined):
        return _slashed(unwrap(text, CODED_WRAP))
    return Details(remittance=tidy(unwrap(text)))


def unwrap(text: str, width: int = WRAP) -> str:
    """Join wrapped lines: full lines run on, shorter ones get a space."""
    parts = [line if len(line) >= width else line.strip() + " " for line in text.split("\n")]
    return re.sub(r" {2,}", " ", "".join(parts)).strip()


def _german(text: str, separator: str) -> Details:
    if separator != "?":
        text = text.replace("?", " ").replace(separator, "?")
    # mt-940 stops at a lone "?" near the end; a subfield tag is always two digits.
    text = re.sub(r"\?(?!\d{2})", " ", text)
    found: dict[str, Any] = processors.transaction_details_post_processor(
        _TRANSACTIONS,
        _DETAILS_TAG,
        {"transaction_details": text},
        {"transaction_details": text},
    )
    iban = _IBAN_FIELD.search(text)
    name = found.get("applicant_name") or found.get("gvc_applicant_name")
    return Details(
        end_to_end_id=reference(found.get("end_to_end_reference")),
        instruction_id=reference(found.get("customer_reference")),
        counterparty_name=tidy(name),
        counterparty_account=iban[1] if iban else tidy(found.get("applicant_iban")),
        remittance=tidy(
            " ".join(filter(None, (found.get("purpose"), found.get("additional_purpose")))),
        ),
        kind=tidy(
            " ".join(filter(None, (found.get("transaction_code"), found.get("posting_text")))),
        ),
        returned=found.get("transaction_code") in _RETURN_CODES,
    )


def _slashed(text: str) -> Details:
    parts: dict[str, str] = {}
    tokens = CODE.split(text)
    for code, value in zip(tokens[1::2], tokens[2::2], strict=True):
        value = value.strip("/ ")  # noqa: PLW2901 - the separators belong to neither part
        if value:
            parts[code] = f"{parts[code]} {value}" if code in parts else value
    account, name = parts.get("IBAN") or parts.get("ACC"), None
    for code in _PARTY_CODES:
        if code in parts:
            name = name or parts[code]
    if "CNTP" in parts:
        # /CNTP/account/BIC/name/city/ as ING writes it.
        pieces = parts["CNTP"].split("/")
        account = account or pieces[0]
        name = pieces[2] if len(pieces) > 2 else name  # noqa: PLR2004 - account, BIC, name
    remittance = parts.get("REMI") or parts.get("USTD") or parts.get("STRD") or parts.get("SVWZ")
    if remittance is not None:
        remittance = re.sub(r"^(?:USTD|STRD)//", "", remittance)
        if parts.get("USTD") and parts["USTD"] not in remittance:
            remittance = f"{remittance} {parts['USTD']}"
    return Details(
        end_to_end_id=reference(parts.get("EREF") or parts.get("ROC")),
        instruction_id=reference(parts.get("KREF") or parts.get("IREF") or parts.get("PREF")),
        counterparty_name=tidy(name),
        counterparty_account=tidy(account),
        remittance=tidy(remittance or parts.get("INFO") or parts.get("OCMT")),
        kind=tidy(parts.get("TRTP") or parts.get("TRCD")),
        returned="RTRN" in parts,
    )
