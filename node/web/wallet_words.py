"""A person's page in her language: what a refusal says, by its code, and what an answer lacks.

In English a refusal's own words stand, which say more of the one case; in another language those of
its code. A code without words of its own is shown in English, marked as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from node.wallet.reading import (
    EVIDENCE_MISSING,
    OTHER_LOOKUP,
    RECEIPT_MISSING,
    REVOCATION_MISSING,
)
from node.web.words import N_
from reconcile.model import KanheError

_ASK_SENDER: Final = N_("Nothing was signed; ask whoever sent the file.")
_NO_SUCH_FILE: Final = N_("Choose the file again, as it was given to you; it may be damaged.")
_WRONG_FORM: Final = N_("Fill the form in again.")
#: By code: what is wrong, and what to do.
ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "FORM_INCOMPLETE": (N_("A field of the form is empty or no number."), _WRONG_FORM),
    "CONSENT_NOT_SHOWN": (
        N_("This consent was not shown, or was signed already."),
        N_("Open its file again."),
    ),
    "DISPUTE_MALFORMED": (
        N_("No entry is meant by this id, or the grounds are empty or too long."),
        N_("Check an answer here: beside each entry stands its id, and a form to dispute it."),
    ),
    "REVOKES_WHAT": (
        N_("What this entry rests on cannot be revoked with this."),
        N_("Check an answer that shows the entry, or choose the consent that you signed for it."),
    ),
    "PERSON_ASKS_WHAT": (N_("Nothing of this name can be asked."), _WRONG_FORM),
    "WALLET_OTHER_CONSENT": (
        N_("The consent was signed with another wallet."),
        N_("Open the wallet that signed it."),
    ),
    "WALLET_OTHER_NETWORK": (N_("The request is for another network."), _ASK_SENDER),
    "WALLET_PURPOSE": (
        N_("The reader asks for a lookup that only you can ask for yourself."),
        _ASK_SENDER,
    ),
    "WALLET_OTHER_ELEMENT": (N_("The request would look somebody else up."), _ASK_SENDER),
    "WALLET_PERIOD": (N_("The request is over, or for more than a year."), _ASK_SENDER),
    "WALLET_CERTIFICATE": (
        N_("The certificate is of another key or person, or is over."),
        N_("Choose the certificate that a member gave you for this wallet, or ask for a new one."),
    ),
    "WALLET_OTHER_MEMBER": (
        N_("The certificate is another member's than the one that is asked."),
        N_("Take your document to the member that you ask, and let it certify your key first."),
    ),
    "WALLET_SECOND_CERTIFICATE": (
        N_("To be looked up you consent, and a member other than the one that looks must vouch."),
        N_("Add the certificate of another member that identified you."),
    ),
    "WALLET_OTHER_ANSWER": (
        N_("The answer is to another request."),
        N_("Choose the request that was answered."),
    ),
    "WALLET_OTHER_PERSON": (
        N_("The answer holds something about somebody else."),
        N_("Show it to nobody; tell the member."),
    ),
    "FILE_OTHER_KIND": (N_("The file is of another kind than the one asked for."), _NO_SUCH_FILE),
    "ENVELOPE_MALFORMED": (N_("The file is none of those that are asked for."), _NO_SUCH_FILE),
    "ENVELOPE_TYPE": (N_("The file is of another kind than the one asked for."), _NO_SUCH_FILE),
    "ENVELOPE_SIGNER": (N_("The file is not signed by who it says."), _ASK_SENDER),
    "PROOF_MALFORMED": (N_("The file is not in the form in which it is written."), _NO_SUCH_FILE),
    "CERTIFICATE_MALFORMED": (N_("The file is no certificate of a key."), _NO_SUCH_FILE),
    "CONSENT_MALFORMED": (N_("The file is no consent in its form."), _NO_SUCH_FILE),
    "LISTING_MALFORMED": (N_("The answer holds a statement that does not read."), _NO_SUCH_FILE),
}
MISSING: Final[Mapping[str, str]] = {
    RECEIPT_MISSING: N_("the receipt of the lookup: without it nothing shows that it is all"),
    OTHER_LOOKUP: N_("the lookup that was asked for: its receipt is of another one"),
}
#: What each check of an answer is about; a number behind the name tells several apart.
CHECKS: Final[Mapping[str, str]] = {
    "form": N_("form of the file"),
    "reader": N_("who asked"),
    "evaluation": N_("evaluation by the committee"),
    "bucket": N_("place in the index"),
    "consent": N_("consent"),
    "exporter": N_("who shows it"),
    "statement": N_("statement of the uploader"),
    "person": N_("whom it concerns"),
    "notice": N_("notice to the person"),
    "evidence": N_("documents"),
    "changes": N_("changes on the ledger"),
    "ticket": N_("listing on the ledger"),
    "receipt": N_("receipt of a lookup"),
    "rests_on": N_("what the listing rests on"),
    "rests_on_level": N_("level of what it rests on"),
}
EVIDENCE: Final = N_("evidence of entry %(entry)s")
REVOCATION: Final = N_("the file that revokes the consent of entry %(entry)s")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as it is shown; `language` is set where it is another than the page's."""

    code: str
    message: str
    help: str
    language: str = ""


def refusal_of(error: KanheError, locale: str, translate: Callable[[str], str]) -> Refusal:
    """Return what the page says of an error."""
    words = ERRORS.get(error.code)
    if locale == "en" or words is None:
        language = "" if locale == "en" else "en"
        return Refusal(error.code, error.message, error.help, language)
    return Refusal(error.code, translate(words[0]), translate(words[1]))


def check_words(name: str, translate: Callable[[str], str]) -> str:
    """Return what a check is about."""
    found = CHECKS.get(name.rstrip("0123456789").rstrip("_"))
    return name if found is None else translate(found)


def missing_words(line: str, translate: Callable[[str], str]) -> str:
    """Return what an answer lacks."""
    if line.startswith(EVIDENCE_MISSING):
        return translate(EVIDENCE) % {"entry": line.removeprefix(EVIDENCE_MISSING)}
    if line.startswith(REVOCATION_MISSING):
        return translate(REVOCATION) % {"entry": line.removeprefix(REVOCATION_MISSING)}
    return translate(MISSING[line])
