"""Reading a statement file from a path or from bytes: identify, parse, check, build."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from reconcile.currency import digits_of
from reconcile.model import OutsideError, StatementFile, UsageError, Where
from reconcile.statements.assemble import assemble
from reconcile.statements.bai2 import read_bai2
from reconcile.statements.camt import read_camt
from reconcile.statements.delimited import read_delimited
from reconcile.statements.detect import HEAD_BYTES, Detected, identify
from reconcile.statements.drafts import MAX_FILE_BYTES, FileDraft, Findings, refuse
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
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise refuse(
                "FILE_TOO_LARGE",
                f"the file is larger than {MAX_FILE_BYTES} bytes",
                file=path.name,
                help="split it by day",
            )
        data = path.read_bytes()
    except OSError as error:
        raise OutsideError(
            "FILE_UNREADABLE",
            f"{path.name} cannot be read: {error.strerror or error}",
            where=Where(path.name),
            help="check the path and its permissions",
        ) from None
    return read_statement_bytes(
        data,
        path.name,
        profile=profile,
        perspective=perspective,
        currency=currency,
        lenient=lenient,
        accept_map=accept_map,
        own=own,
    )


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
    """Read a statement file's bytes; `name` is only for messages."""
    if perspective is not None and perspective not in PERSPECTIVES:
        raise UsageError(
            "PERSPECTIVE_UNKNOWN",
            f"{perspective!r} is no perspective",
            help="--perspective ledger or statement",
        )
    if currency is not None and digits_of(currency) is None:
        raise UsageError(
            "CURRENCY_UNKNOWN",
            f"{currency!r} is no ISO 4217 currency",
            help="three upper-case letters, e.g. --currency CNY",
        )
    detected = _detect(data[:HEAD_BYTES], name, profile, own)
    digest = sha256(data).hexdigest()
    if detected.format.startswith(("camt", "mt9", "bai")):
        if profile is not None:
            raise UsageError(
                "PROFILE_NOT_FOR_FORMAT",
                f"{detected.format} needs no profile",
                where=Where(name),
                help="leave --profile away",
            )
        draft = _read_message(data, name, digest, detected.format)
    else:
        draft = FileDraft(name, detected.format, None, digest)
        wanted = Wanted(perspective, currency)
        read_delimited(data, draft, wanted, profile, accept_map=accept_map, own=own)
    return assemble(draft, currency=currency, lenient=lenient)


def _detect(head: bytes, name: str, profile: str | None, own: Sequence[Profile]) -> Detected:
    """Identify a file; a named layout of fixed-width lines is taken at its word."""
    if profile is not None and profile != GENERIC and profile_named(profile, own).fixed:
        return Detected("fixed", profile)
    return identify(head, name, own)


def _read_message(data: bytes, name: str, digest: str, format_name: str) -> FileDraft:
    if format_name.startswith("camt"):
        return read_camt(data, name, digest)
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
