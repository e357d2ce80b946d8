"""Reading a statement file from a path or from bytes: identify, parse, check, build."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from reconcile.currency import digits_of
from reconcile.model import OutsideError, StatementFile, UsageError, Where
from reconcile.statements.assemble import assemble
from reconcile.statements.bai2 import read_bai2
from reconcile.statements.camt import read_camt
from reconcile.statements.delimited import read_delimited
from reconcile.statements.detect import HEAD_BYTES, Detected, identify
from reconcile.statements.drafts import (
    MAX_FILE_BYTES,
    MAX_STREAM_BYTES,
    FileDraft,
    Findings,
    refuse,
)
from reconcile.statements.encoding import decode
from reconcile.statements.generic import PERSPECTIVES, Wanted
from reconcile.statements.mt940 import read_mt940
from reconcile.statements.profiles import GENERIC, Profile, profile_named


def read_statement(
    path: Path,
    *,
    profile: str | None = None,
    perspective: str | None = None,
    currency: str | None = None,
    lenient: bool = False,
    accept_map: bool = False,
    own: Sequence[Profile] = (),
) -> StatementFile:
    """Read a statement file; `own` are the user's profiles, tried before the shipped ones.

    Raises InputError for a file that is unknown, too large or, in strict, contradicts itself;
    UsageError for unknown options; OutsideError FILE_UNREADABLE if it cannot be opened.
    """
    check_words(path.name, perspective, currency)
    draft = read_draft(path, profile, perspective, currency, accept_map=accept_map, own=own)
    return assemble(draft, currency=currency, lenient=lenient)


def read_statement_bytes(
    data: bytes,
    name: str,
    *,
    profile: str | None = None,
    perspective: str | None = None,
    currency: str | None = None,
    lenient: bool = False,
    accept_map: bool = False,
    own: Sequence[Profile] = (),
) -> StatementFile:
    """Read a statement file's bytes; `name` is for messages, and for dates that a name tells."""
    check_words(name, perspective, currency)
    draft = draft_of(data, name, profile, perspective, currency, accept_map=accept_map, own=own)
    return assemble(draft, currency=currency, lenient=lenient)


def check_words(name: str, perspective: str | None, currency: str | None) -> None:
    """Refuse an unknown perspective or currency before anything is read."""
    if perspective is not None and perspective not in PERSPECTIVES:
        raise UsageError(
            "PERSPECTIVE_UNKNOWN",
            f"{perspective!r} is no perspective",
            where=Where(name),
            help="--perspective ledger or statement",
        )
    if currency is not None and digits_of(currency) is None:
        raise UsageError(
            "CURRENCY_UNKNOWN",
            f"{currency!r} is no ISO 4217 currency",
            where=Where(name),
            help="three upper-case letters, e.g. --currency CNY",
        )


def open_file(path: Path) -> BinaryIO:
    """Open a file; OutsideError FILE_UNREADABLE, InputError FILE_TOO_LARGE."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise OutsideError(
            "FILE_UNREADABLE",
            f"{path.name} cannot be read: {error.strerror or error}",
            where=Where(path.name),
            help="check the path and its permissions",
        ) from None
    _check_size(path, MAX_STREAM_BYTES)
    return file


def _check_size(path: Path, most: int) -> None:
    if path.stat().st_size > most:
        raise refuse(
            "FILE_TOO_LARGE",
            f"the file is larger than {most} bytes",
            file=path.name,
            help="split it by day",
        )


def head_of(path: Path) -> bytes:
    """Return the beginning of a file, by which it is identified."""
    with open_file(path) as file:
        return file.read(HEAD_BYTES)


def read_draft(
    path: Path,
    profile: str | None,
    perspective: str | None,
    currency: str | None,
    *,
    accept_map: bool,
    own: Sequence[Profile],
) -> FileDraft:
    """Read a file of a size that fits into memory."""
    data = read_whole(path)
    return draft_of(data, path.name, profile, perspective, currency, accept_map=accept_map, own=own)


def read_whole(path: Path) -> bytes:
    """Return a file's bytes; InputError FILE_TOO_LARGE above what is read in memory."""
    with open_file(path) as file:
        _check_size(path, MAX_FILE_BYTES)
        return file.read()


def is_camt(head: bytes, name: str, profile: str | None, own: Sequence[Profile]) -> bool:
    """Say whether a file is a camt message, which is streamed."""
    if not _detect(head, name, profile, own).format.startswith("camt"):
        return False
    if profile is not None:
        raise _needs_no_profile("camt", name)
    return True


def _needs_no_profile(format_name: str, name: str) -> UsageError:
    return UsageError(
        "PROFILE_NOT_FOR_FORMAT",
        f"{format_name} needs no profile",
        where=Where(name),
        help="leave --profile away",
    )


def draft_of(
    data: bytes,
    name: str,
    profile: str | None,
    perspective: str | None,
    currency: str | None,
    *,
    accept_map: bool,
    own: Sequence[Profile],
) -> FileDraft:
    """Identify and parse; nothing is checked across the file yet."""
    detected = _detect(data[:HEAD_BYTES], name, profile, own)
    digest = sha256(data).hexdigest()
    if detected.format.startswith(("camt", "mt9", "bai")):
        if profile is not None:
            raise _needs_no_profile(detected.format, name)
        return _read_message(data, name, digest, detected.format)
    draft = FileDraft(name, detected.format, None, digest)
    wanted = Wanted(perspective, currency)
    read_delimited(data, draft, wanted, profile, accept_map=accept_map, own=own)
    return draft


def _detect(head: bytes, name: str, profile: str | None, own: Sequence[Profile]) -> Detected:
    """Identify a file; a named layout of fixed-width lines is taken at its word."""
    if profile is not None and profile != GENERIC and profile_named(profile, own).fixed:
        return Detected("fixed", profile)
    return identify(head, name, own)


def _read_message(data: bytes, name: str, digest: str, format_name: str) -> FileDraft:
    if format_name.startswith("camt"):
        return read_camt(io.BytesIO(data), FileDraft(name, "camt", None, digest))
    findings = Findings()
    # SWIFT's character set is ASCII; banks that leave it use their country's code page.
    text = decode(data, findings, single_byte=("cp1252", "cp852"))
    if format_name == "bai2":
        draft = read_bai2(text, name, digest)
        draft.findings.items[:0] = findings.items
        draft.findings.count += findings.count
        return draft
    draft = read_mt940(text, name, digest)
    draft.findings = findings
    return draft
