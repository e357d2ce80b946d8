"""A user's own files in the demo: one agreement an account, one window up to its last day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from devnet.network import BANK, ENTERPRISE
from devnet.own_files import derive_owner, write_book
from devnet.story import DayBooks, Relation, Say
from node.services.posting import ImportOptions
from reconcile.model import (
    AgreementKind,
    Balance,
    BreakKind,
    InputError,
    Statement,
    StatementFile,
    Where,
)
from reconcile.statements import read_statement
from reconcile.terms import default_terms

MAX_ACCOUNTS: Final = 4
# What a run calls TIMING while the other side still has time to book it.
YOUNG: Final = frozenset({BreakKind.MISSING_AT_OWNER, BreakKind.MISSING_AT_SERVICER})


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """How to read the user's files; `owner` None derives the counterparty's book."""

    servicer: Path
    owner: Path | None = None
    servicer_profile: str | None = None
    owner_profile: str | None = None
    servicer_perspective: str | None = None
    owner_perspective: str | None = None
    currency: str | None = None
    lenient: bool = False
    accept_map: bool = False

    def words(self, *, owner: bool, account: str | None = None) -> ImportOptions:
        """Return the reader's options for one of the files."""
        return ImportOptions(
            profile=self.owner_profile if owner else self.servicer_profile,
            perspective=self.owner_perspective if owner else self.servicer_perspective,
            currency=self.currency,
            lenient=self.lenient,
            accept_map=self.accept_map,
            account=account or None,
        )

    def read(self, path: Path, *, owner: bool) -> StatementFile:
        """Read one of the files as the node will."""
        return read_statement(
            path,
            profile=self.owner_profile if owner else self.servicer_profile,
            perspective=self.owner_perspective if owner else self.servicer_perspective,
            currency=self.currency,
            lenient=self.lenient,
            accept_map=self.accept_map,
        )


def check_own_files(files: OwnFiles) -> None:
    """Read the files once and refuse them as the node would, before anything is removed."""
    _check(files, files.servicer, owner=False)
    if files.owner is not None:
        _check(files, files.owner, owner=True)


def _check(files: OwnFiles, path: Path, *, owner: bool) -> None:
    side = "owner" if owner else "servicer"
    try:
        files.read(path, owner=owner)
    except InputError as error:
        for word in ("perspective", "profile"):
            error.help = error.help.replace(f"--{word}", f"--{side}-{word}")
        if error.details and "--lenient" not in error.help:
            error.help += "; --lenient reads what is there"
        error.help += "; through make, options go into DEMO_ARGS='…'"
        raise


def plan_own_files(files: OwnFiles, books: Path, say: Say) -> list[Relation]:
    """Return one relation an account of the servicer's file; `InputError` as the readers raise.

    With an owner's file the servicer's must hold one account, or the account both hold.
    """
    read = files.read(files.servicer, owner=False)
    accounts = by_account(read.statements)
    if not accounts:
        raise InputError(
            "NO_ENTRIES",
            "the statement holds no entries: there is nothing to reconcile",
            where=Where(file=files.servicer.name),
            help="give a statement with at least one entry",
        )
    if files.owner is not None:
        return [_two_files(files, files.owner, accounts)]
    chosen = sorted(accounts, key=lambda name: (-_count(accounts[name]), name))[:MAX_ACCOUNTS]
    if len(chosen) < len(accounts):
        say(f"the file holds {len(accounts)} accounts; the {MAX_ACCOUNTS} largest are shown")
    return [
        _derived(files, account, accounts[account], books / f"account-{number}", say)
        for number, account in enumerate(chosen, 1)
    ]


def by_account(statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    """Group statements that hold entries or balances by their account."""
    accounts: dict[str, list[Statement]] = {}
    for statement in statements:
        accounts.setdefault(statement.account, []).append(statement)
    return {name: items for name, items in accounts.items() if _count(items)}


def _count(statements: Sequence[Statement]) -> int:
    return sum(len(item.entries) for item in statements)


def _derived(
    files: OwnFiles, account: str, statements: list[Statement], folder: Path, say: Say
) -> Relation:
    say(f"account {mask(account)}: deriving the owner's book, with a few labelled differences")
    path = folder / "owner.csv"
    texts = []
    for statement in merged(statements):
        book = derive_owner(statement)
        texts.append(book.statement)
        for label in book.labels:
            refs = ", ".join((*label.servicer, *label.owner))
            young = " - TIMING until the terms' grace is over" if label.kind in YOUNG else ""
            say(f"  put in: {label.kind}{young} ({refs})")
    write_book(texts, path)
    return _relation(files, account, statements, path, ImportOptions(), opening_of(statements))


def _two_files(files: OwnFiles, owner: Path, accounts: Mapping[str, list[Statement]]) -> Relation:
    theirs = by_account(files.read(owner, owner=True).statements)
    shared = [name for name in accounts if name in theirs]
    name = shared[0] if shared else max(accounts, key=lambda item: _count(accounts[item]))
    if not theirs:
        raise InputError(
            "NO_ENTRIES",
            "the owner's book holds no entries",
            where=Where(file=owner.name),
            help="leave OWNER out to have a book derived from the statement",
        )
    other = name if name in theirs else max(theirs, key=lambda item: _count(theirs[item]))
    words = files.words(owner=True, account=other)
    return _relation(
        files, name, [*accounts[name], *theirs[other]], owner, words,
        opening_of(accounts[name]), opening_of(theirs[other]),
    )  # fmt: skip


def _relation(
    files: OwnFiles,
    account: str,
    statements: Sequence[Statement],
    owner: Path,
    owner_words: ImportOptions,
    opening: Mapping[str, Balance],
    owner_opening: Mapping[str, Balance] | None = None,
) -> Relation:
    last = max(entry.booking_date for item in statements for entry in item.entries)
    words = files.words(owner=False, account=account)
    return Relation(
        label=f"account {mask(account)}",
        kind=AgreementKind.BANK_ENTERPRISE,
        servicer=BANK.slug,
        owner=ENTERPRISE.slug,
        terms=default_terms(
            {item.currency for item in statements}
            | {entry.currency for item in statements for entry in item.entries}
        ),
        days=(DayBooks(last, (files.servicer, owner), None),),
        position=(opening, opening if owner_opening is None else owner_opening),
        options=(words, owner_words),
    )


def merged(statements: Sequence[Statement]) -> list[Statement]:
    """Return one statement a currency: first opening, last closing, all entries in file order."""
    by_currency: dict[str, list[Statement]] = {}
    for item in statements:
        by_currency.setdefault(item.currency, []).append(item)
    return [
        replace(
            parts[0],
            closing_balance=parts[-1].closing_balance,
            entries=tuple(entry for part in parts for entry in part.entries),
            lines=tuple(line for part in parts for line in part.lines),
        )
        for parts in by_currency.values()
    ]


def opening_of(statements: Sequence[Statement]) -> dict[str, Balance]:
    """Return the first stated opening balance of each currency."""
    opening: dict[str, Balance] = {}
    for item in statements:
        if item.opening_balance is not None:
            opening.setdefault(item.currency, item.opening_balance)
    return opening


def mask(account: str) -> str:
    """Return an account as screens show it: its last four characters."""
    return f"···{account[-4:]}" if account else "(unnamed)"
