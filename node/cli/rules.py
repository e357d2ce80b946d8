"""`terms check`: a rule set in words, its risks, and what it would have matched differently."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.offline import (
    AcceptMap,
    Currency,
    Lenient,
    Perspective,
    Profile,
    SideFile,
    mirror_advice,
    read_books,
    require_digits,
    run_input,
)
from node.cli.output import EXIT_DONE, JsonTo, emit, progress, require_file, say, table
from node.cli.session import Home, day_of_words, node_of
from node.cli.words import digits_of, money, refs
from reconcile.counting import counted

if TYPE_CHECKING:
    from reconcile.report import Comparison
    from reconcile.terms import Said, Terms

SHOWN: Final = 20
LANGUAGES: Final = ("en", "zh")
OneAgreement = Annotated[
    str | None,
    typer.Option("--agreement", "-a", help="Replay past windows of this agreement."),
]
FirstDay = Annotated[
    str | None, typer.Option("--from", help="The first day to replay, e.g. 2026-11-20.")
]
LastDay = Annotated[str | None, typer.Option("--to", help="The last day to replay.")]
OneFile = Annotated[Path | None, typer.Option(help="Replay on two files: this side's.")]
Against = Annotated[
    Path | None, typer.Option(help="Files: the terms to compare with; the defaults otherwise.")
]
Language = Annotated[
    str, typer.Option("--lang", "--language", help="The language of the words: en or zh.")
]


def terms_check(
    file: Annotated[Path, typer.Argument(help="A terms.json.")],
    agreement: OneAgreement = None,
    first: FirstDay = None,
    last: LastDay = None,
    servicer: OneFile = None,
    owner: OneFile = None,
    against: Against = None,
    servicer_profile: Profile = None,
    owner_profile: Profile = None,
    servicer_perspective: Perspective = None,
    owner_perspective: Perspective = None,
    currency: Currency = None,
    lenient: Lenient = False,
    accept_map: AcceptMap = False,
    language: Language = "en",
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Say a rule set in words, what it could falsely confirm, and what it would change.

    With -a on past windows of a node, with --servicer and --owner on two files.
    """
    from node.cli.agreements import terms_words
    from reconcile.terms import explain, parse_terms, risks, terms_hash, terms_json

    _require_words(agreement, servicer, owner, language)
    rules = parse_terms(require_file(file).read_bytes())
    replayed: Sequence[tuple[str, Comparison]] = ()
    if agreement is not None:
        replayed = _windows(rules, agreement, first, last, home)
    elif servicer is not None and owner is not None:
        sides: tuple[SideFile, ...] = (
            ("servicer", servicer, servicer_profile, servicer_perspective, None),
            ("owner", owner, owner_profile, owner_perspective, None),
        )
        replayed = [("files", _files(rules, sides, against, currency, lenient, accept_map))]
    words, warned = explain(rules), risks(rules)
    answer = {
        "ok": True,
        "terms_hash": terms_hash(rules).hex(),
        "terms": terms_json(rules),
        "says": terms_words(rules),
        "all": [],
        "explains": [_said_json(item) for item in words],
        "risks": [_said_json(item) for item in warned],
        "replay": [{"of": name, **found.to_json()} for name, found in replayed],
    }

    def human() -> None:
        say(f"terms {answer['terms_hash']}")
        _show_said(words, warned, language)
        for name, found in replayed:
            _show_comparison(name, found)

    emit(answer, json_to, human)
    return EXIT_DONE


def _require_words(
    agreement: str | None, servicer: Path | None, owner: Path | None, language: str
) -> None:
    """Refuse words that do not go together; `UsageError` TERMS_REPLAY, LANGUAGE_UNKNOWN."""
    from reconcile.model import UsageError

    files = [path for path in (servicer, owner) if path is not None]
    if len(files) == 1 or (files and agreement is not None):
        raise UsageError(
            "TERMS_REPLAY",
            "a replay needs both sides' files, or an agreement",
            help="give --servicer and --owner, or -a AGREEMENT",
        )
    if language not in LANGUAGES:
        raise UsageError("LANGUAGE_UNKNOWN", f"{language!r} is not among en, zh")


def _windows(
    rules: Terms, agreement: str, first: str | None, last: str | None, home: Path | None
) -> list[tuple[str, Comparison]]:
    from reconcile.model import day_iso, window_day

    with node_of(home) as node, progress("replaying"):
        found = node.network.find_agreement(agreement).agreement
        windows = node.reconciliation.replay(
            found,
            rules,
            first_day=None if first is None else day_of_words(first),
            last_day=None if last is None else day_of_words(last),
        )
    return [
        (f"window {item.window} ({day_iso(window_day(item.window))})", item.comparison)
        for item in windows
    ]


def _files(
    rules: Terms,
    sides: Sequence[SideFile],
    against: Path | None,
    currency: str | None,
    lenient: bool,
    accept_map: bool,
) -> Comparison:
    from node.books import refuse_mirrored
    from reconcile.report import compare, reconcile
    from reconcile.terms import default_terms, parse_terms

    books = read_books(
        sides,
        currency=currency,
        lenient=lenient,
        accept_map=accept_map,
    )
    mended = mirror_advice(books, (sides[0][3], sides[1][3]))
    refuse_mirrored(books[0], books[1], advice=mended)
    before = (
        default_terms(rules.currencies)
        if against is None
        else parse_terms(require_file(against).read_bytes())
    )
    for terms in (rules, before):
        require_digits(terms, books)
    run = run_input(books[0], books[1], before)
    with progress("matching twice"):
        return compare(reconcile(run), reconcile(dataclasses.replace(run, terms=rules)))


# --------------------------------------------------------------------------- showing
def _said_json(item: Said) -> dict[str, Any]:
    return {"code": item.code, "pass": item.pass_name, "en": item.en, "zh": item.zh}


def _show_said(words: Sequence[Said], warned: Sequence[Said], language: str) -> None:
    for item in words:
        say(item.zh if language == "zh" else item.en)
    if warned:
        say("须留意" if language == "zh" else "What to look at:")
    for item in warned:
        say(f"  ! {item.zh if language == 'zh' else item.en} [{item.code}]")


def _show_comparison(name: str, found: Comparison) -> None:
    say(
        f"{name}: {counted(found.same, 'group')} the same, {len(found.gained):,} gained, "
        f"{len(found.lost):,} lost, {len(found.repaired):,} re-paired"
    )
    rows = [("gained", group) for group in found.gained]
    rows += [("lost", group) for group in found.lost]
    for item in found.repaired:
        rows += [("before", group) for group in item.before]
        rows += [("after", group) for group in item.after]
    if rows:
        table(
            "Groups",
            ("", "pass", "servicer", "owner", ">residual"),
            [
                (word, g.pass_name, refs(g.servicer), refs(g.owner), _residual(g))
                for word, g in rows[:SHOWN]
            ],
        )
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN:,} more; --json has all")
    for code, (gained, lost) in sorted(found.turnover.items()):
        places = digits_of(code)
        say(f"{code}: gained groups move {money(gained, places)}, lost ones {money(lost, places)}")
    for what, pairs in (("open breaks", found.open_minor), ("residuals", found.residual_minor)):
        for code, (before, after) in sorted(pairs.items()):
            if before != after:
                places = digits_of(code)
                say(f"{code} {what}: {money(before, places)} -> {money(after, places)}")
    for kind, (old, new) in sorted(found.kinds.items()):
        say(f"{kind}: {old} -> {new}")
    if not found.changes:
        say("nothing would match differently")


def _residual(group: Any) -> str:  # noqa: ANN401 - a group of a report
    return money(group.residual_minor, digits_of(group.currency))
