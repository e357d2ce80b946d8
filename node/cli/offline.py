"""Commands that need no node: `statement`, `match`, `scenario`, `verify`.

They import neither chain nor database; a test keeps it so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import (
    EXIT_DONE,
    EXIT_NO,
    JsonTo,
    emit,
    naming_side,
    note,
    progress,
    require_file,
    say,
    say_lines,
    table,
    write_pieces,
)

if TYPE_CHECKING:
    from node.books import Book
    from reconcile.matching.run_input import RunInput
    from reconcile.report import Result
    from reconcile.statements import Profile as Layout
    from reconcile.statements import StatementStream
    from reconcile.terms import Terms

SHOWN_ROWS: Final = 40

Profile = Annotated[
    str | None, typer.Option(help="The layout of a table: a profile's name, or a TOML file.")
]
Perspective = Annotated[
    str | None,
    typer.Option(help="What debit means: 'ledger' (your books) or 'statement' (the bank's)."),
]
Currency = Annotated[str | None, typer.Option(help="ISO 4217 code for a file without one.")]
Lenient = Annotated[
    bool, typer.Option("--lenient", help="Read a contradictory file; it is then not provable.")
]
AcceptMap = Annotated[
    bool, typer.Option("--accept-map", help="Accept the proposed map of an unknown file's columns.")
]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("statement")(statement)
    app.command("match")(match)
    app.command("scenario")(scenario)
    app.command("verify")(verify)


# ----------------------------------------------------------------------- statement
def statement(
    file: Annotated[Path, typer.Argument(help="A bank, wallet or ledger file.")],
    profile: Profile = None,
    perspective: Perspective = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    json_to: JsonTo = None,
) -> int:
    """Read a statement file: its entries, balances and contradictions."""
    from reconcile.statements import statement_pieces

    with progress(f"reading {file.name}") as advance:
        opened = _open(file, profile, perspective, currency, lenient, accept_map)
        advance(sum(item.count for item in opened.statements))
    with opened as read:
        if json_to is None:
            _show_statement(read)
        else:
            write_pieces(statement_pieces(read), json_to)
    return EXIT_DONE


def _open(
    file: Path,
    profile: str | None,
    perspective: str | None,
    currency: str | None,
    lenient: bool,
    accept_map: bool,
) -> StatementStream:
    from reconcile.statements import open_statement

    name, own = profile_choice(profile)
    return open_statement(
        require_file(file),
        profile=name,
        perspective=perspective_word(perspective),
        currency=currency,
        lenient=lenient,
        accept_map=accept_map,
        own=own,
    )


def profile_choice(text: str | None) -> tuple[str | None, tuple[Layout, ...]]:
    """Return what `--profile` names and the user's own profiles (KANHE_PROFILES)."""
    from node.profiles import choose_profile, own_profiles
    from node.settings import Settings

    return choose_profile(text, own_profiles(Settings.of_environment("profiles").profiles))


def perspective_word(word: str | None) -> str | None:
    """Return a perspective, or refuse a word that is none."""
    from reconcile.model import UsageError

    if word not in {None, "ledger", "statement"}:
        raise UsageError(
            "PERSPECTIVE_UNKNOWN",
            f"{word!r} is no perspective",
            help="say 'ledger' (debit is money in) or 'statement' (credit is money in)",
        )
    return word


def _show_statement(read: StatementStream) -> None:
    from node.cli.words import contradiction_words, money, remark_words
    from reconcile.model import day_iso

    say(f"{read.format}{f' ({read.profile})' if read.profile else ''}  sha256 {read.file_sha256}")
    for item in read.statements:
        rows = [
            (
                day_iso(entry.booking_date),
                money(entry.signed_minor, item.digits),
                entry.status.name,
                entry.entry_ref[:24],
                entry.counterparty_name or "",
                line,
            )
            for entry, line in islice(item.rows(), SHOWN_ROWS)
        ]
        table(
            f"{item.account or 'account'}  {item.statement_ref}  {item.currency}",
            ("booked", ">amount", "status", "entry_ref", "counterparty", ">line"),
            rows,
        )
        hidden = item.count - len(rows)
        if hidden > 0:
            say(f"… and {hidden:,} more entries")
        for word, balance in (("opening", item.opening_balance), ("closing", item.closing_balance)):
            if balance is not None:
                amount = money(balance.signed_minor, item.digits)
                say(f"{word} {amount} {item.currency} {day_iso(balance.date)} ({balance.basis})")
        for contradiction in item.contradictions:
            note(f"not provable: {contradiction_words(contradiction)}")
        for remark in item.remarks:
            note(f"remark: {remark_words(remark)}")


# --------------------------------------------------------------------------- match
def match(
    servicer: Annotated[Path, typer.Option(help="The account servicer's file.")],
    owner: Annotated[Path, typer.Option(help="The account owner's file.")],
    terms: Annotated[Path | None, typer.Option(help="The rule set; defaults otherwise.")] = None,
    servicer_profile: Profile = None,
    owner_profile: Profile = None,
    servicer_perspective: Perspective = None,
    owner_perspective: Perspective = None,
    servicer_account: Annotated[
        str | None, typer.Option(help="Which account of the servicer's file.")
    ] = None,
    owner_account: Annotated[
        str | None, typer.Option(help="Which account of the owner's file.")
    ] = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    json_to: JsonTo = None,
) -> int:
    """Reconcile two files: groups, breaks, identities and a digest, without any network.

    Exit code 1: an identity does not hold, so that nothing is proven.
    """
    from node.books import refuse_mirrored, remarks_on
    from node.cli.words import say_contradictions, say_remarks
    from reconcile.report import match_json, reconcile

    started = time.perf_counter()
    books = read_books(
        (
            ("servicer", servicer, servicer_profile, servicer_perspective, servicer_account),
            ("owner", owner, owner_profile, owner_perspective, owner_account),
        ),
        currency=currency,
        lenient=lenient,
        accept_map=accept_map,
    )
    parse_ms = round((time.perf_counter() - started) * 1000)
    mended = mirror_advice(books, (servicer_perspective, owner_perspective))
    refuse_mirrored(books[0], books[1], advice=mended)
    rules = _terms(terms, books)
    with progress("matching"):
        result = reconcile(run_input(books[0], books[1], rules))
    timing = {**result.timing_ms, "parse": parse_ms}
    near = any(item.servicer and item.owner for item in result.breaks)
    odd = not result.groups
    remarks = remarks_on(books[0], books[1], near=near, advice=mended) if odd else ()
    answer = match_json(replace(result, timing_ms=timing))
    answer["remarks"] = say_remarks(books, remarks)
    answer["contradictions"] = say_contradictions(books)
    emit(answer, json_to, lambda: _show_match(result, dict(rules.currencies)))
    return EXIT_DONE if result.complete else EXIT_NO


SideFile = tuple[str, Path, str | None, str | None, str | None]
"""(servicer or owner, file, profile, perspective, account)."""


def read_books(
    sides: Sequence[SideFile], *, currency: str | None, lenient: bool, accept_map: bool
) -> list[Book]:
    """Read both sides' files as books; errors name the side."""
    from node.books import book_of, refuse_repeated

    books: list[Book] = []
    with progress("reading") as advance:
        for side, path, profile, perspective, account in sides:
            with naming_side(side):
                opened = _open(path, profile, perspective, currency, lenient, accept_map)
            with opened as read:
                book = book_of(read, str(path), account=account)
            refuse_repeated(book.entries, book.lines, str(path))
            books.append(book)
            advance(len(book.entries))
    return books


def mirror_advice(books: Sequence[Book], perspectives: Sequence[str | None]) -> str:
    """Say what would turn one book round: the option already in use, else the owner's.

    Where no perspective acts on either file, only the file itself can be mended.
    """
    from node.books import EXCHANGE
    from reconcile.model import Side

    turnable = [side for side in Side if books[side].turnable]
    if not turnable:
        return EXCHANGE
    used = [side for side in turnable if perspectives[side] is not None]
    side = (used or turnable)[-1]
    turned = "statement" if perspectives[side] == "ledger" else "ledger"
    return f"read it with --{side.word}-perspective {turned}"


def _terms(path: Path | None, books: list[Book]) -> Terms:
    from reconcile.terms import default_terms, parse_terms

    if path is None:
        return default_terms(sorted(currencies_of(books)))
    rules = parse_terms(require_file(path).read_bytes())
    require_digits(rules, books)
    return rules


def currencies_of(books: Sequence[Book]) -> set[str]:
    """Return every currency that entries or balances are in."""
    found = {entry.currency for book in books for entry in book.entries}
    return found | {code for book in books for code in (*book.opening, *book.closing)}


def require_digits(rules: Terms, books: Sequence[Book]) -> None:
    """Refuse money whose digits the terms do not state; `InputError` TERMS_CURRENCY_DIGITS."""
    from reconcile.model import InputError, Where

    for code in sorted(currencies_of(books) - rules.currencies.keys()):
        raise InputError(
            "TERMS_CURRENCY_DIGITS",
            f"the books hold {code}, the terms state no digits for it",
            where=Where(field=f"currencies.{code}"),
            help=f'add "{code}" to the terms\' currencies, or leave its entries out',
        )


def run_input(servicer: Book, owner: Book, terms: Terms) -> RunInput:
    """Return two books as one window, that of the latest booking date."""
    from reconcile.matching.run_input import RunInput
    from reconcile.model import ZERO32, AgreementKind, window_of

    days = [entry.booking_date for book in (servicer, owner) for entry in book.entries]
    days += [item.date for book in (servicer, owner) for item in book.closing.values()]
    entries = [entry.booking_date for book in (servicer, owner) for entry in book.entries]
    return RunInput(
        agreement=ZERO32,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=window_of(max(entries or days, default=0)),
        previous_window=None,
        terms=terms,
        servicer=servicer.side_book(),
        owner=owner.side_book(),
    )


def _show_match(result: Result, digits: dict[str, int]) -> None:
    from node.cli.words import show_result

    show_result(result, digits)


# ------------------------------------------------------------------------ scenario
def scenario(
    out: Annotated[Path, typer.Option(help="The folder to write into; it is made.")],
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 1,
    entries: Annotated[int, typer.Option(min=1, help="About how many entries a side.")] = 100,
    flavour: Annotated[
        str,
        typer.Option(
            help="plain; hard: adversarial cases and holidays too; opted: those alone, "
            "under terms that find them."
        ),
    ] = "plain",
    json_to: JsonTo = None,
) -> int:
    """Write two books of one business day with labelled breaks, their terms and labels."""
    from devnet.scenario import Flavour, make_scenario, write_scenario
    from reconcile.model import UsageError

    if flavour not in set(Flavour):
        known = ", ".join(Flavour)
        raise UsageError("FLAVOUR_UNKNOWN", f"{flavour!r} is not among {known}")
    made = make_scenario(seed, entries, flavour=Flavour(flavour))
    write_scenario(made, out)
    written = sorted(str(path) for path in out.iterdir() if path.is_file())
    answer: dict[str, Any] = {"seed": seed, "entries": entries, "out": str(out), "files": written}
    emit(answer, json_to, lambda: say_lines("\n".join(written)))
    return EXIT_DONE


# -------------------------------------------------------------------------- verify
def verify(
    file: Annotated[
        Path,
        typer.Argument(help="A report, proof, receipt, evidence or certificate of deletion."),
    ],
    authority: Annotated[
        list[Path] | None,
        typer.Option(help="A certificate (PEM) whose holders' consents count, for receipts."),
    ] = None,
    test_identifiers: Annotated[
        bool,
        typer.Option(
            "--test-identifiers",
            help="Take people who cannot exist (region 99), as in the demo's files.",
        ),
    ] = False,
    json_to: JsonTo = None,
) -> int:
    """Check a report, proof, receipt, evidence or deletion without node or network."""
    from node.crypto.bundle import MAX_FILE_BYTES
    from node.crypto.verifying import verify_bytes
    from node.screening.envelope import is_envelope
    from node.screening.explaining import read_authorities
    from node.screening.file_kinds import kind_of, other_kind
    from node.screening.weighing import PROOFS, explain_envelope
    from reconcile.commitment.fields import malformed

    size = require_file(file).stat().st_size
    if size > MAX_FILE_BYTES:
        # Refused before it is read: a stranger's file must not fill the memory.
        raise malformed("file", f"has {size} bytes, over {MAX_FILE_BYTES}")
    data = file.read_bytes()
    if is_envelope(data):
        pems = [require_file(path).read_bytes() for path in authority or []]
        found = explain_envelope(
            data, authorities=read_authorities(pems), allow_test=test_identifiers
        )
    else:
        kind = kind_of(data)
        if kind is not None:
            raise other_kind(kind, PROOFS)
        found = verify_bytes(data)
    emit(found.to_json(), json_to, lambda: _show_verification(found.to_json()))
    return EXIT_DONE if found.ok else EXIT_NO


def _show_verification(found: Any) -> None:  # noqa: ANN401 - parsed JSON
    for check in found["checks"]:
        say(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['says']}")
    for word, key in (("proved", "proved"), ("not proved here", "not_proved")):
        for line in found[key]:
            say(f"{word}: {line}")
    say("everything checked holds" if found["ok"] else "at least one check fails")
