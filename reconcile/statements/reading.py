"""Reading a statement file from a path or from bytes: identify, parse, check, build."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypedDict, Unpack

from reconcile.currency import MONEY_CODE, digits_of, lacks_minor_unit
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


class ReadOptions(TypedDict, total=False):
    """How a file is to be read; what is left out is as the file says.

    `profile`: the layout's name. `perspective`: what debit means, "ledger" or "statement".
    `currency`: of a file that names none. `lenient`: read a file that contradicts itself.
    `accept_map`: take the proposed columns. `own`: the user's profiles, tried before the shipped.
    """

    profile: str | None
    perspective: str | None
    currency: str | None
    lenient: bool
    accept_map: bool
    own: Sequence[Profile]


def read_statement(path: Path, **options: Unpack[ReadOptions]) -> StatementFile:
    """Read a statement file into memory.

    Raises InputError for a file that is unknown, too large or, in strict, contradicts itself;
    UsageError for unknown options; OutsideError FILE_UNREADABLE if it cannot be opened.
    """
    check_words(path.name, options)
    draft = draft_of(read_whole(path), path.name, options)
    return assemble(draft, **settling(options))


def read_statement_bytes(data: bytes, name: str, **options: Unpack[ReadOptions]) -> StatementFile:
    """Read a statement file's bytes; `name` is for messages, and for dates that a name tells."""
    check_words(name, options)
    return assemble(draft_of(data, name, options), **settling(options))


class Settling(TypedDict):
    """What is wanted of a draft once it is parsed."""

    currency: str | None
    lenient: bool


def settling(options: ReadOptions) -> Settling:
    """Return the options that count after the parsing."""
    return {"currency": options.get("currency"), "lenient": options.get("lenient", False)}


def check_words(name: str, options: ReadOptions) -> None:
    """Refuse an unknown perspective or currency before anything is read."""
    perspective, currency = options.get("perspective"), options.get("currency")
    if perspective is not None and perspective not in PERSPECTIVES:
        raise UsageError(
            "PERSPECTIVE_UNKNOWN",
            f"{perspective!r} is no perspective",
            where=Where(name),
            help="--perspective ledger or statement",
        )
    if currency is not None and (digits_of(currency) is None or lacks_minor_unit(currency)):
        raise UsageError(
            "CURRENCY_UNKNOWN",
            f"{currency!r} is not {MONEY_CODE}",
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


def read_whole(path: Path) -> bytes:
    """Return a file's bytes; InputError FILE_TOO_LARGE above what is read in memory."""
    with open_file(path) as file:
        _check_size(path, MAX_FILE_BYTES)
        return file.read()


def is_camt(head: bytes, name: str, options: ReadOptions) -> bool:
    """Say whether a file is a camt message, which is streamed."""
    profile = options.get("profile")
    if not _detect(head, name, profile, options.get("own", ())).format.startswith("camt"):
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


def draft_of(data: bytes, name: str, options: ReadOptions) -> FileDraft:
    """Identify and parse; nothing is checked across the file yet."""
    profile, own = options.get("profile"), options.get("own", ())
    detected = _detect(data[:HEAD_BYTES], name, profile, own)
    digest = sha256(data).hexdigest()
    if detected.format.startswith(("camt", "mt9", "bai")):
        if profile is not None:
            raise _needs_no_profile(detected.format, name)
        return _read_message(data, name, digest, detected.format)
    draft = FileDraft(name, detected.format, None, digest)
    wanted = Wanted(options.get("perspective"), options.get("currency"))
    accept_map = options.get("accept_map", False)
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
