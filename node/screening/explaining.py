"""What `kanhe verify` says of a receipt: each check, what it proves, what the ledger alone knows.

Offline nobody knows whose a key is. The receipt says which member each key is of; those claims are
believed for the arithmetic and listed, one by one, under what is not proven. The identifier is
shown by its last two signs: who holds the file can read it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from node.crypto.verifying import Verification
from node.screening.consents import Level, Trust, time_of_use
from node.screening.envelope import read_envelope
from node.screening.listings import Listing
from node.screening.receipts import read_receipt
from node.screening.verifying import Verdict, verify_receipt
from reconcile.counting import counted
from reconcile.model import InputError, KanheError, ProtocolError, Where, day_iso

_SHOWN: Final = 2
_CONSENT_TIME: Final = (
    "that the consent, and a certificate with it, was valid when the lookup's block was mined"
)
#: Without the ledger an index is its maker's: what a lookup found in it is proved with this word.
IF_ROOT_STANDS: Final = "if that root stands on the ledger"
_LEVELS: Final = {
    Level.INSTITUTION: "recorded by the reader's institution",
    Level.AUTHORITY: "signed with a certificate of a trusted authority",
    Level.PERSON: "signed by the person for this very element, with a key another member certified",
}


@dataclass(slots=True)
class ClaimedKeys:
    """Believes every claim of a key and remembers it."""

    claims: set[tuple[int, str]] = field(default_factory=set)

    def __call__(self, member: int, key: str) -> bool:
        """Take the claim."""
        self.claims.add((member, key))
        return True


def read_authorities(pems: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Return the certificates of PEM files; raises `InputError` AUTHORITY_MALFORMED."""
    try:
        return tuple(x509.load_pem_x509_certificate(pem) for pem in pems)
    except ValueError:
        raise InputError(
            "AUTHORITY_MALFORMED",
            "a file given as an authority is no certificate in PEM",
            where=Where(field="authority"),
            help="Give the authority's certificate, not its key.",
        ) from None


def explain_receipt(
    data: bytes, *, authorities: Sequence[x509.Certificate] = (), allow_test: bool = False
) -> Verification:
    """Return what a receipt proves; a receipt that does not hold is a check that fails.

    Raises `InputError` where the file is no receipt at all.
    """
    return explain_verdict(data, authorities=authorities, allow_test=allow_test)[0]


def explain_verdict(
    data: bytes, *, authorities: Sequence[x509.Certificate] = (), allow_test: bool = False
) -> tuple[Verification, Verdict | None]:
    """Return what a receipt proves, in words and as its verdict; None where it does not hold."""
    keys = ClaimedKeys()
    found = Verification()
    # The ledger knows the lookup's time; offline the first that its consent allows stands for it.
    at_s = time_of_use(read_receipt(read_envelope(data).payload).consent)
    try:
        verdict = verify_receipt(
            data, trust=Trust(keys, authorities), at_s=at_s, allow_test=allow_test
        )
    except ProtocolError as error:
        found.hold("receipt", ok=False, yes="", no=said(error))
        found.not_proved.append("anything: a receipt that does not hold proves nothing")
        return found, None
    _hold(verdict, found)
    found.not_proved += left_open(verdict)
    found.not_proved += [
        f"that {key} was a key of member {member} then" for member, key in sorted(keys.claims)
    ]
    return found, verdict


def left_open(verdict: Verdict) -> list[str]:
    """Return what a receipt that holds does not prove offline, but for whose its keys are."""
    false = [f"anything by a record beside them: {said(one)}" for one in verdict.false]
    return [*verdict.not_proved, _CONSENT_TIME, *false]


def _hold(verdict: Verdict, found: Verification) -> None:
    receipt, header = verdict.receipt, verdict.receipt.proof.header
    nodes = ", ".join(str(answer.node) for answer in receipt.answers)
    for name, says in [
        ("form", "the envelope and the receipt have the one form in which they are written"),
        ("reader", f"member {receipt.consent.consent.reader} asked for it and signed the whole"),
        ("evaluation", f"nodes {nodes} proved that they evaluated this person's element"),
        ("bucket", f"the bucket is one of index version {header.version} and whole"),
        ("consent", f"it is {_LEVELS[verdict.effect.level]}"),
    ]:
        found.hold(name, ok=True, yes=says, no="")
    person = f"{verdict.identifier.type} …{verdict.identifier.value[-_SHOWN:]}"
    index = f"index version {header.version} of key epoch {header.key_epoch}, cut at block"
    where = f"{index} {header.cut_block}, {counted(header.leaf_count, 'entry', 'entries')}"
    if not verdict.records:
        found.proved.append(f"no entry concerned {person} in {where}, {IF_ROOT_STANDS}")
    for record in verdict.records:
        says = f"{entry_words(record.listing)}, concerning {person}, in {where}"
        found.proved.append(f"{says}, {IF_ROOT_STANDS}")


def entry_words(listing: Listing) -> str:
    """Return what a statement says, in one line."""
    return (
        f"entry {listing.entry_id.hex()[:16]}…, {listing.reason} by member {listing.uploader}, "
        f"in force {day_iso(listing.effective_from)} to {day_iso(listing.expires_at)}"
    )


def said(error: KanheError) -> str:
    """Return a refusal in one line."""
    where = f" ({error.where.field})" if error.where.field else ""
    return f"{error.code}: {error.message}{where}"
