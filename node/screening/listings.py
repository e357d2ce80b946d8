"""The statement that lists somebody (blacklist.md, "Messages" 1): fields, checks, bytes.

It is signed as digested JSON inside an envelope; in a record it travels as MessagePack, from which
the same JSON follows. It never holds the identifier: the commitment covers that under a salt.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import re
from typing import Annotated, Final, NamedTuple

import msgspec

from node.crypto.oprf.group import framed
from node.screening.identifiers import Identifier, IdType
from node.screening.profiles import profile_of
from node.screening.states import DAY_S, TICKET_S
from reconcile.canonical import canonical_json
from reconcile.model import EPOCH, LAST_DAY, InputError, ProtocolError, Where, day_iso

SCHEMA: Final = "kanhe/listing/1"
SALT_BYTES: Final = 32
MAX_BAND: Final = 9
#: An entry takes effect within the days in which its ticket is tagged.
MAX_DAYS_AHEAD: Final = TICKET_S // DAY_S
POLICY_VERSION: Final = 1
#: The band of M3 (61 to 90 days): shorter arrears are no reason to list.
OVERDUE_M3_BAND: Final = 3
#: Whoever could have done it is alive.
FIRST_MONTH: Final = "1900-01"
_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_DAYS: Final = frozenset({"effective_from", "expires_at", "notice_at"})
_NUMBERS: Final = frozenset(
    {"uploader", "amount_band", "days_past_due_band", "proof_level", "policy_version"}
)
_WORDS: Final = frozenset(
    {"schema", "id_type", "reason", "product", "event_month", "action", "policy"}
)
# What a statement calls otherwise than the ledger.
_STATED: Final = {
    "uploader": "uploader",
    "commitment": "commitment",
    "profile": "profile",
    "notice_day": "notice",
    "effective_day": "effective_from",
    "expires_day": "expires_at",
    "supersedes": "supersedes",
}
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Band = Annotated[int, msgspec.Meta(ge=0, le=MAX_BAND)]
Day = Annotated[int, msgspec.Meta(ge=0, le=LAST_DAY)]


class Reason(enum.StrEnum):
    """Why; `IDENTITY_STOLEN` protects the person and never counts against her."""

    OVERDUE_M3 = "OVERDUE_M3"
    CHARGED_OFF = "CHARGED_OFF"
    APPLICATION_FRAUD = "APPLICATION_FRAUD"
    IDENTITY_STOLEN = "IDENTITY_STOLEN"
    MULE_ACCOUNT = "MULE_ACCOUNT"
    COLLATERAL_FRAUD = "COLLATERAL_FRAUD"
    MERCHANT_COLLUSION = "MERCHANT_COLLUSION"
    COURT_CONFIRMED = "COURT_CONFIRMED"


class ActionTaken(enum.StrEnum):
    """What the uploader itself did; who took no action does not list."""

    CREDIT_REFUSED = "CREDIT_REFUSED"
    LIMIT_REDUCED = "LIMIT_REDUCED"
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    COLLECTION = "COLLECTION"
    LEGAL_ACTION = "LEGAL_ACTION"
    REPORTED = "REPORTED"
    PROTECTED = "PROTECTED"


class Product(enum.StrEnum):
    """Which business it concerns."""

    CARD = "CARD"
    CONSUMER_LOAN = "CONSUMER_LOAN"
    MORTGAGE = "MORTGAGE"
    BUSINESS_LOAN = "BUSINESS_LOAN"
    GUARANTEE = "GUARANTEE"
    ACCOUNT = "ACCOUNT"
    ACQUIRING = "ACQUIRING"


class ProofLevel(enum.IntEnum):
    """What stands behind it: the uploader's word, its documents, a court or authority."""

    STATED = 1
    DOCUMENTED = 2
    ADJUDICATED = 3


class Listing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One listing; days are since 1970-01-01, bands are the membership contract's."""

    schema: str
    entry_id: Hash
    uploader: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    id_type: IdType
    reason: Reason
    product: Product
    amount_band: Band
    days_past_due_band: Band
    event_month: str
    effective_from: Day
    expires_at: Day
    action: ActionTaken | None
    proof_level: ProofLevel
    evidence_root: Hash
    notice_at: Day | None
    notice_hash: Hash | None
    consent: Hash
    supersedes: Hash | None
    policy: str
    policy_version: int
    commitment: Hash

    def to_json(self) -> dict[str, object]:
        """Return the statement as digested JSON."""
        return {name: _plain(name, getattr(self, name)) for name in self.__struct_fields__}

    @property
    def payload(self) -> bytes:
        """Return the bytes that the uploader signs."""
        return canonical_json(self.to_json())


class Posted(NamedTuple):
    """What the ledger holds of an entry, as far as the entry's statement says it too."""

    uploader: int
    commitment: bytes
    profile: str
    notice_day: int
    effective_day: int
    expires_day: int
    supersedes: bytes | None


def unlike(listing: Listing, posted: Posted) -> list[str]:
    """Return the names of what a statement says otherwise than the ledger, none where it agrees."""
    said = Posted(
        uploader=listing.uploader,
        commitment=listing.commitment,
        profile=listing.policy,
        notice_day=-1 if listing.notice_at is None else listing.notice_at,
        effective_day=listing.effective_from,
        expires_day=listing.expires_at,
        supersedes=listing.supersedes,
    )
    pairs = zip(Posted._fields, said, posted, strict=True)
    return [_STATED[name] for name, ours, theirs in pairs if ours != theirs]


def pack_listing(listing: Listing) -> bytes:
    """Return the statement as MessagePack."""
    return msgspec.msgpack.encode(listing)


def unpack_listing(data: bytes) -> Listing:
    """Read a statement; raises `ProtocolError` LISTING_MALFORMED unless it re-encodes to itself."""
    try:
        found = msgspec.msgpack.decode(data, type=Listing)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _malformed() from None
    if msgspec.msgpack.encode(found) != data:
        raise _malformed()
    return found


def read_statement(payload: bytes) -> Listing:
    """Read the digested JSON that an uploader signed.

    Raises `ProtocolError` LISTING_MALFORMED unless it is in its one form.
    """
    try:
        body = msgspec.json.decode(payload, type=dict[str, str | None])
        values = {name: _term(name, text) for name, text in body.items()}
        found = msgspec.convert([values[name] for name in Listing.__struct_fields__], Listing)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError):
        raise _malformed() from None
    if found.payload != payload:
        raise _malformed()
    return found


def commitment_of(listing: Listing, identifier: Identifier, salt: bytes) -> bytes:
    """Return SHA-256 over salt, PRF input and the statement without its own commitment.

    It stands on the ledger before the identifier is evaluated. The salt, 32 random bytes, keeps
    what is committed from being guessed; once it is destroyed nobody can open it.
    """
    assert len(salt) == SALT_BYTES, "a salt is 32 bytes"
    assert listing.id_type == identifier.type, "the statement names the identifier's type"
    rest = canonical_json({k: v for k, v in listing.to_json().items() if k != "commitment"})
    inside = framed(identifier.prf_input) + hashlib.sha256(rest).digest()
    return hashlib.sha256(b"kanhe/listing/1" + salt + inside).digest()


def committed(listing: Listing, identifier: Identifier, salt: bytes) -> Listing:
    """Return the statement with its commitment filled in."""
    found = commitment_of(listing, identifier, salt)
    return msgspec.structs.replace(listing, commitment=found)


def check_listing(listing: Listing, *, posted_day: int) -> None:
    """Refuse what must not be listed; `posted_day` is the day of its ticket's block.

    In order, each `InputError`: LISTING_SCHEMA_UNKNOWN, PROFILE_UNKNOWN, LISTING_NO_ACTION,
    LISTING_NO_NOTICE, LISTING_BACKDATED, LISTING_EFFECT_TOO_FAR, LISTING_NOTICE_AHEAD,
    LISTING_NOTICE_TOO_RECENT, LISTING_EXPIRY_TOO_FAR, LISTING_PERIOD_EMPTY, LISTING_EVENT_MONTH,
    LISTING_NOT_OVERDUE, LISTING_NOT_PROTECTING, LISTING_SUPERSEDES_ITSELF.
    """
    if listing.schema != SCHEMA or listing.policy_version != POLICY_VERSION:
        raise _refuse("LISTING_SCHEMA_UNKNOWN", "schema", "the statement's version is unknown")
    profile = profile_of(listing.policy)
    if listing.action is None:
        raise _refuse("LISTING_NO_ACTION", "action", "the uploader took no action itself")
    if not listing.notice_at or listing.notice_hash is None:
        raise _refuse("LISTING_NO_NOTICE", "notice_at", "the person was not told")
    if listing.effective_from < posted_day:
        says = f"takes effect before {day_iso(posted_day)}, the day it was posted"
        raise _refuse("LISTING_BACKDATED", "effective_from", says)
    first = listing.effective_from - MAX_DAYS_AHEAD
    if posted_day < first:
        says = f"takes effect more than {MAX_DAYS_AHEAD} days after {day_iso(posted_day)}, its day"
        help_ = f"Nothing was posted: list it on {day_iso(first)} or later, it would show at once."
        raise _refuse("LISTING_EFFECT_TOO_FAR", "effective_from", says, help_)
    if listing.notice_at > posted_day:
        says = f"the person is told after {day_iso(posted_day)}, the day it is posted"
        raise _refuse("LISTING_NOTICE_AHEAD", "notice_at", says)
    if listing.effective_from - listing.notice_at < profile.notice_days:
        says = f"{profile.notice_days} days lie between notice and effect in {listing.policy}"
        raise _refuse("LISTING_NOTICE_TOO_RECENT", "notice_at", says)
    if listing.expires_at - listing.effective_from > profile.retention_days:
        says = f"{listing.policy} keeps an entry {profile.retention_days} days at most"
        raise _refuse("LISTING_EXPIRY_TOO_FAR", "expires_at", says)
    if listing.expires_at <= listing.effective_from:
        raise _refuse("LISTING_PERIOD_EMPTY", "expires_at", "it ends before it begins")
    month = listing.event_month
    if not _MONTH.fullmatch(month) or not FIRST_MONTH <= month <= _month(posted_day):
        says = f"is no past month YYYY-MM from {FIRST_MONTH} on"
        raise _refuse("LISTING_EVENT_MONTH", "event_month", says)
    _require_sense(listing)


def _require_sense(listing: Listing) -> None:
    """Refuse terms that are at odds with each other."""
    if listing.reason is Reason.OVERDUE_M3 and listing.days_past_due_band < OVERDUE_M3_BAND:
        says = f"is listed as overdue from M3 on, which is band {OVERDUE_M3_BAND}, and is less so"
        raise _refuse("LISTING_NOT_OVERDUE", "days_past_due_band", says)
    protects = ActionTaken.PROTECTED
    if listing.reason is Reason.IDENTITY_STOLEN and listing.action is not protects:
        says = f"a stolen identity protects the person: the action is {protects}, and no other"
        raise _refuse("LISTING_NOT_PROTECTING", "action", says)
    if listing.supersedes == listing.entry_id:
        says = "it corrects itself: name the entry that it takes the place of"
        raise _refuse("LISTING_SUPERSEDES_ITSELF", "supersedes", says)


def _month(day: int) -> str:
    return day_iso(day)[:7]


def _plain(name: str, value: object) -> object:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bytes):
        return value.hex()
    assert isinstance(value, int), "a statement holds text, bytes and integers"
    return day_iso(value) if name in _DAYS else str(value)


def _term(name: str, text: str | None) -> object:
    """Return a statement's member as MessagePack holds it; the reverse of `_plain`."""
    if text is None or name in _WORDS:
        return text
    if name in _DAYS:
        return (dt.date.fromisoformat(text) - EPOCH).days
    return int(text) if name in _NUMBERS else bytes.fromhex(text)


def _malformed() -> ProtocolError:
    return ProtocolError(
        "LISTING_MALFORMED",
        "the bytes are no listing in its one form",
        where=Where(field="listing"),
        help="Show the record to its uploader; it is not counted.",
    )


def _refuse(
    code: str, field: str, says: str, help_: str = "Mend the statement; nothing was posted."
) -> InputError:
    return InputError(code, says, where=Where(field=field), help=help_)


__all__ = [
    "SCHEMA",
    "ActionTaken",
    "Listing",
    "Posted",
    "Product",
    "ProofLevel",
    "Reason",
    "check_listing",
    "commitment_of",
    "committed",
    "pack_listing",
    "read_statement",
    "unlike",
    "unpack_listing",
]
