"""`kanhe person revoke`: of a consent to a lookup, or of what an entry about her rests on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say
from node.cli.wallet_files import open_wallet, read_file, write_file

if TYPE_CHECKING:
    from node.screening.consent_files import ConsentFile
    from node.wallet import ReadBack, Wallet


def revoke(
    wallet: Annotated[Path, typer.Option("--wallet", help="Your wallet.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    consent_file: Annotated[
        Path | None, typer.Argument(help="The consent that `person consent` wrote.")
    ] = None,
    request: Annotated[
        Path | None, typer.Option("--request", help="For an entry: the request that was answered.")
    ] = None,
    answer: Annotated[
        Path | None, typer.Option("--answer", help="For an entry: a member's answer that shows it.")
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option(help="Which entry, by its id's beginning, where several are shown."),
    ] = None,
    json_to: JsonTo = None,
) -> int:
    """Write the secret that revokes a consent; any member relays it, and sees no key of yours.

    What an entry about you rests on is revoked with the answer in which it is shown: by the
    uploader's file in it, or, where you signed it yourself, by your own consent. The entry stands
    all the same, marked; its evidence is given to nobody any more.
    """
    from reconcile.model import UsageError

    opened = open_wallet(wallet)
    data = None if consent_file is None else read_file(consent_file)
    if request is not None and answer is not None:
        made = _of_entry(opened, data, read_file(request), read_file(answer), entry)
    elif data is not None and request is answer is None:
        made = _of_lookup(opened, data)
    else:
        raise UsageError(
            "REVOKES_WHAT",
            "a consent's file, or --request and --answer, says what is revoked",
            help="for an entry give the answer in which it is shown, and the request to it",
        )
    from node.screening.consent_files import read_revocation_file

    write_file(out, made)
    digest = read_revocation_file(made).consent
    told = {"consent": digest.hex(), "out": str(out)}
    emit(told, json_to, lambda: say(f"{out}: hand it to any member; it revokes the consent"))
    return EXIT_DONE


def _of_lookup(opened: Wallet, data: bytes) -> bytes:
    from node.screening.consent_files import (
        RevocationFile,
        read_consent_file,
        write_revocation_file,
    )
    from node.screening.consents import Purpose
    from reconcile.model import UsageError

    found = read_consent_file(data)
    consent = found.signed.consent
    if consent.purpose is Purpose.LISTING:
        raise UsageError(
            "REVOKES_WHAT",
            "a consent to be listed is revoked for an entry, by the name that the entry gives it",
            help="ask any member for your entries, then give --request and --answer too",
        )
    secret = opened.revocation_of(found.digest)
    made = RevocationFile(found.domain, consent.reader, found.digest, secret)
    if made.revocation_hash != found.revocation_hash:
        raise _other_wallet()
    return write_revocation_file(made)


def _of_entry(
    opened: Wallet, data: bytes | None, request: bytes, answer: bytes, entry: str | None
) -> bytes:
    from node.screening.asking import read_person_request
    from node.screening.consent_files import read_consent_file
    from node.wallet import entry_named, read_back
    from reconcile.model import UsageError

    found = read_back(opened, read_person_request(request)[0], answer)
    files = (
        dict(found.revocations)
        if data is None
        else _signed(opened, read_consent_file(data), data, found)
    )
    if entry is not None:
        return files[entry_named(entry, files, help_="give one that this answer lets you revoke")]
    if len(files) != 1:
        shown = ", ".join(one.hex()[:16] for one in sorted(files)) or "none"
        raise UsageError(
            "REVOKES_WHAT",
            f"this answer lets you revoke what these entries rest on: {shown}",
            help="name one with --entry; one that you signed yourself needs its consent's file",
        )
    return next(iter(files.values()))


def _signed(opened: Wallet, file: ConsentFile, data: bytes, found: ReadBack) -> dict[bytes, bytes]:
    """Return what revokes the entries that rest on a consent which she signed, by entry."""
    document, files = hashlib.sha256(data).digest(), {}
    for fact in found.entries:
        if fact.rests_on.document != document:
            continue
        made = opened.listing_revocation(file, fact.uploader, fact.rests_on.consent)
        if made is None:
            raise _other_wallet()
        files[fact.entry] = made
    return files


def _other_wallet() -> Exception:
    from reconcile.model import InputError

    return InputError(
        "WALLET_OTHER_CONSENT",
        "the consent was signed with another wallet",
        help="open the wallet that signed it",
    )
