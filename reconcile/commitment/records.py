"""Records and their canonical bytes: what is hashed, sealed, posted and proven.

The bytes are the truth (ledger.md, "Bytes"): a record is one MessagePack array in fixed field
order, hashed as received, and refused if it does not re-encode to itself. So one record has one
byte form, and two institutions that hold equal records hold equal hashes. The same checks run
before a record is posted and after one is opened: the reader's limits are the writer's limits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from reconcile.model import (
    MAX_AMOUNT_MINOR,
    MAX_REF_LENGTH,
    MAX_TEXT_LENGTH,
    Carrier,
    Decision,
    Entry,
    InputError,
    ProtocolError,
    Record,
    SectionDigest,
    Where,
)

# One number per record type and its format; a new format is a new number here and in the terms.
RECORD_FORMATS: Final[tuple[tuple[int, str], ...]] = ((1, "1"), (2, "1"), (3, "1"))
MAX_RECORD_BYTES: Final = 65_536
MAX_VERSION: Final = 2**31 - 1
# 9999-12-31: the last day that a calendar date can name.
MAX_DAY: Final = 2_932_896
MAX_TIME_MS: Final = (MAX_DAY + 1) * 86_400_000 - 1
MAX_SESSION: Final = 7
MAX_WINDOW: Final = 2**32 - 2
MAX_DOCUMENTS: Final = 16
MAX_DECISION_REFS: Final = 1_024
MAX_SECTIONS: Final = 64
VERDICTS: Final = frozenset({"confirm", "reject", "unmatch", "write_off"})

CARRIERS: Final = frozenset(int(carrier) for carrier in Carrier)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
CURRENCY: Final = re.compile(r"[A-Z]{3}")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Record).decode


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record may not stand: the field and what is wrong with it."""

    field: str
    says: str


def encode_record(record: Record) -> bytes:
    """Return the canonical bytes of a record.

    Raises `InputError` RECORD_FIELD when a field breaks a limit: such a record would make the batch
    that carries it invalid for everyone.
    """
    problem = record_problem(record)
    if problem is not None:
        raise InputError(
            "RECORD_FIELD",
            f"{problem.field} {problem.says}",
            where=Where(field=problem.field),
            help="Correct the source; a record with this field would be refused by every reader.",
        )
    data = _encode(record)
    if len(data) > MAX_RECORD_BYTES:
        raise InputError(
            "RECORD_TOO_LONG",
            f"the record has {len(data)} bytes, at most {MAX_RECORD_BYTES} are allowed",
            help="Shorten its texts or name fewer references.",
        )
    return data


def decode_record(data: bytes) -> Record:
    """Return the record that `data` is, exactly.

    Raises `ProtocolError` RECORD_TOO_LONG, RECORD_MALFORMED, RECORD_NOT_CANONICAL or RECORD_FIELD.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise _refused("RECORD_TOO_LONG", f"has {len(data)} bytes, over {MAX_RECORD_BYTES}")
    try:
        record: Record = _decode(data)
        again = _encode(record)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise _refused("RECORD_MALFORMED", f"does not decode: {error}") from None
    if again != data:
        raise _refused("RECORD_NOT_CANONICAL", "does not re-encode to itself")
    problem = record_problem(record)
    if problem is not None:
        raise _refused("RECORD_FIELD", f"has a bad {problem.field}: {problem.says}", problem.field)
    return record


def record_problem(record: Record) -> Problem | None:
    """Return the first field of a record that breaks a limit, in field order, or None."""
    if isinstance(record, Entry):
        return _entry_problem(record)
    if isinstance(record, Decision):
        return _decision_problem(record)
    return _section_problem(record)


def _refused(code: str, says: str, field: str | None = None) -> ProtocolError:
    return ProtocolError(
        code,
        f"the record {says}",
        where=Where(field=field),
        help="Ask the side that posted it to post it again from its book.",
    )


# ------------------------------------------------------------------ entries
def _entry_problem(entry: Entry) -> Problem | None:
    """Check what the types do not say; the common entry passes four cheap tests."""
    return (
        _entry_numbers(entry)
        or _entry_references(entry)
        or _entry_texts(entry)
        or _entry_documents(entry)
    )


def _entry_numbers(entry: Entry) -> Problem | None:
    if not 0 <= entry.version <= MAX_VERSION:
        return Problem("version", "is out of range")
    if not 0 <= entry.amount_minor <= MAX_AMOUNT_MINOR:
        return Problem("amount_minor", "is negative or above 2^63 - 1")
    if not CURRENCY.fullmatch(entry.currency):
        return Problem("currency", "is not three capital letters (ISO 4217)")
    if not 0 <= entry.booking_date <= MAX_DAY:
        return Problem("booking_date", "is no day between 1970-01-01 and 9999-12-31")
    for name in ("value_date", "settlement_date"):
        day = getattr(entry, name)
        if day is not None and not 0 <= day <= MAX_DAY:
            return Problem(name, "is no day between 1970-01-01 and 9999-12-31")
    if entry.session is not None and not 0 <= entry.session <= MAX_SESSION:
        return Problem("session", f"is not between 0 and {MAX_SESSION}")
    fee = entry.fee_minor
    if fee is not None and not -MAX_AMOUNT_MINOR <= fee <= MAX_AMOUNT_MINOR:
        return Problem("fee_minor", "is above 2^63 - 1")
    moment = entry.occurred_at
    if moment is not None and not 0 <= moment <= MAX_TIME_MS:
        return Problem("occurred_at", "is no moment between 1970 and 9999")
    return None


def _entry_references(entry: Entry) -> Problem | None:
    last = 0
    for carrier, text in entry.references:
        if carrier <= last:
            return Problem("references", "are not in ascending order of carrier, one text each")
        if carrier not in CARRIERS:
            return Problem("references", f"name the unknown carrier {carrier}")
        problem = _text_problem("references", text, MAX_REF_LENGTH)
        if problem is not None:
            return problem
        last = carrier
    return None


ENTRY_TEXTS: Final = (
    ("business_type", MAX_REF_LENGTH),
    ("kind", MAX_REF_LENGTH),
    ("counterparty_name", MAX_TEXT_LENGTH),
    ("counterparty_account", MAX_REF_LENGTH),
    ("remittance", MAX_TEXT_LENGTH),
    ("group_ref", MAX_REF_LENGTH),
    ("reversal_of", MAX_REF_LENGTH),
)


def _entry_texts(entry: Entry) -> Problem | None:
    problem = _text_problem("entry_ref", entry.entry_ref, MAX_REF_LENGTH)
    if problem is not None:
        return problem
    for name, limit in ENTRY_TEXTS:
        text = getattr(entry, name)
        if text is not None:
            problem = _text_problem(name, text, limit)
            if problem is not None:
                return problem
    return None


def _entry_documents(entry: Entry) -> Problem | None:
    if not entry.documents:
        return None
    if len(entry.documents) > MAX_DOCUMENTS:
        return Problem("documents", f"are more than {MAX_DOCUMENTS}")
    for kind, digest in entry.documents:
        problem = _text_problem("documents", kind, MAX_REF_LENGTH)
        if problem is not None:
            return problem
        if len(digest) != 32:  # noqa: PLR2004 - SHA-256
            return Problem("documents", "hold a digest that is not a SHA-256")
    return None


# ------------------------------------------------------------------ decisions, digests
def _decision_problem(decision: Decision) -> Problem | None:
    for name in ("subject", "previous"):
        if len(getattr(decision, name)) != 32:  # noqa: PLR2004 - SHA-256
            return Problem(name, "is not 32 bytes")
    if decision.verdict not in VERDICTS:
        return Problem("verdict", "is not confirm, reject, unmatch or write_off")
    return (
        _refs_problem("servicer", decision.servicer)
        or _refs_problem("owner", decision.owner)
        or (None if decision.servicer or decision.owner else Problem("servicer", "names nothing"))
        or _text_problem("decider", decision.decider, MAX_REF_LENGTH)
    )


def _refs_problem(field: str, refs: Sequence[str]) -> Problem | None:
    if len(refs) > MAX_DECISION_REFS:
        return Problem(field, f"names more than {MAX_DECISION_REFS} entries")
    for ref in refs:
        problem = _text_problem(field, ref, MAX_REF_LENGTH)
        if problem is not None:
            return problem
    raw = [ref.encode() for ref in refs]
    if any(left >= right for left, right in itertools.pairwise(raw)):
        return Problem(field, "is not sorted as UTF-8 bytes, each ref once")
    return None


def _section_problem(record: SectionDigest) -> Problem | None:
    if not 0 <= record.window <= MAX_WINDOW:
        return Problem("window", "is out of range")
    if len(record.report_digest) != 32:  # noqa: PLR2004 - SHA-256
        return Problem("report_digest", "is not 32 bytes")
    if len(record.sections) > MAX_SECTIONS:
        return Problem("sections", f"are more than {MAX_SECTIONS}")
    for name, digest in record.sections:
        problem = _text_problem("sections", name, MAX_REF_LENGTH)
        if problem is not None:
            return problem
        if len(digest) != 32:  # noqa: PLR2004 - SHA-256
            return Problem("sections", "hold a digest that is not a SHA-256")
    return None


def _text_problem(field: str, text: str, limit: int) -> Problem | None:
    """Check one text that is present: not empty, not longer than `limit` characters, printable."""
    if not text:
        return Problem(field, "is empty; leave it out instead")
    if len(text) > limit:
        return Problem(field, f"has {len(text)} characters, at most {limit} are allowed")
    if text.isprintable():
        # Neither a control character nor a surrogate is.
        return None
    if CONTROL.search(text):
        return Problem(field, "holds a control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        return Problem(field, "holds a lone surrogate, which is no character")
    return None
