"""Free text and references: what is cleaned silently, what is a contradiction.

Line breaks and tabs inside a field are artefacts of files (MT940 wraps at 65 characters, wallet
exports end cells in a tab) and become one space. Any other control character makes an entry
invalid (ledger.md, "Bytes"): refused in strict, removed and listed in lenient.
"""

from __future__ import annotations

import re
from typing import Final

from reconcile.model import MAX_REF_LENGTH, MAX_TEXT_LENGTH, Carrier
from reconcile.statements.drafts import Draft, Findings

_BREAKS: Final = re.compile(r"[ \t]*[\t\r\n\v\f\x85\u2028\u2029]+[ \t]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_TEXT_FIELDS: Final = ("counterparty_name", "remittance")
_REF_FIELDS: Final = (
    "counterparty_account", "kind", "group_ref", "reversal_of", "business_type",
)  # fmt: skip

PLACEHOLDERS: Final = frozenset({"", "NOTPROVIDED", "NONREF", "/", "-", "N/A", "NA", "NULL"})
"""References that say "none"; they are never kept (matching.md, "Terms")."""

_LONGEST_PLACEHOLDER: Final = max(len(word) for word in PLACEHOLDERS)


def tidy(text: str | None) -> str | None:
    """Trim, turn line breaks into one space; None for nothing."""
    if not text:
        return None
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)
    return text.strip(" \t\u3000") or None


def reference(text: str | None) -> str | None:
    """Return a reference as kept, or None if it is a placeholder."""
    text = tidy(text)
    if text is None or len(text) > _LONGEST_PLACEHOLDER:
        return text
    return None if text.upper() in PLACEHOLDERS else text


def clean_draft(draft: Draft, findings: Findings) -> None:
    """Check every text of a draft; list and mend what an entry may not hold."""
    together = "".join(
        filter(
            None,
            (
                draft.counterparty_name,
                draft.counterparty_account,
                draft.remittance,
                draft.kind,
                draft.group_ref,
                draft.reversal_of,
                draft.business_type,
                draft.source_ref,
                *[text for _, text in draft.references],
            ),
        ),
    )
    if len(together) <= MAX_REF_LENGTH and together.isprintable():
        return
    for name in _TEXT_FIELDS:
        _clean_field(draft, name, MAX_TEXT_LENGTH, findings)
    for name in _REF_FIELDS:
        _clean_field(draft, name, MAX_REF_LENGTH, findings)
    _clean_field(draft, "source_ref", MAX_REF_LENGTH, findings)
    draft.references = tuple(
        (carrier, cleaned)
        for carrier, text in draft.references
        if (cleaned := _clean(text, Carrier(carrier).word, MAX_REF_LENGTH, draft.line, findings))
    )


def _clean_field(draft: Draft, name: str, limit: int, findings: Findings) -> None:
    text = getattr(draft, name)
    if text is not None:
        field = "entry_ref" if name == "source_ref" else name
        setattr(draft, name, _clean(text, field, limit, draft.line, findings) or None)


def _clean(text: str, field: str, limit: int, line: int, findings: Findings) -> str:
    if not text.isprintable():
        text = _BREAKS.sub(" ", text).strip()
        if _CONTROL.search(text) or _SURROGATE.search(text):
            findings.add(
                "CONTROL_CHARACTER",
                f"{field} holds a control character",
                line=line,
                field=field,
                found=ascii(text),
            )
            text = _SURROGATE.sub("\ufffd", _CONTROL.sub("", text)).strip()
    if len(text) > limit:
        findings.add(
            "FIELD_TOO_LONG",
            f"{field} is {len(text)} characters long",
            line=line,
            field=field,
            expected=f"at most {limit}",
            found=str(len(text)),
        )
        text = text[:limit].rstrip()
    return text
