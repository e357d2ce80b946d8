"""`kanhe blacklist import FILE`: an overdue list, MISP events or FtM entities become listings.

`--check` needs no node: it reads the whole file and says, row by row, what would be refused. No
identifier is shown, written or logged, in either.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, note, require_file, say, write_pieces

if TYPE_CHECKING:
    from node.intake import Import, Refused, Stated, Summary

SHOWN_REFUSALS: Final = 40

Map = Annotated[Path | None, typer.Option("--map", help="A column map (TOML).")]
AcceptMap = Annotated[
    bool, typer.Option("--accept-map", help="Accept the columns that the header proposes.")
]
Check = Annotated[bool, typer.Option("--check", help="Only say what would be listed.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="overdue, misp, ftm-entities, ftm-statements-csv or -json, where the file does not "
        "show it.",
    ),
]
Policy = Annotated[str, typer.Option(help="The profile: CN-2013, EU-GDPR, US-FCRA or UK.")]
NoticeFile = Annotated[
    Path | None, typer.Option(help="The notice that everybody in the file was sent; hashed.")
]
ConsentFile = Annotated[
    Path | None, typer.Option(help="What everybody in the file agreed to; hashed.")
]
TestIdentifiers = Annotated[
    bool, typer.Option("--test-identifiers", help="Take people who cannot exist (region 99).")
]


def register(app: typer.Typer) -> None:
    """Put the command into the tree."""
    group = typer.Typer(no_args_is_help=True, help="Who is listed, by whom, on what proof.")
    add_to(group)
    app.add_typer(group, name="blacklist")


def add_to(group: typer.Typer) -> None:
    """Put the command into a group."""
    group.command("import")(import_list)


def import_list(
    file: Annotated[Path, typer.Argument(help="An overdue list (CSV, XLSX), MISP or FtM file.")],
    column_map: Map = None,
    accept_map: AcceptMap = False,
    check: Check = False,
    file_format: Format = None,
    policy: Policy = "CN-2013",
    id_type: Annotated[str | None, typer.Option(help="Which identifier, e.g. CN-RID.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, e.g. OVERDUE_M3.")] = None,
    product: Annotated[str | None, typer.Option(help="Which business, e.g. CARD.")] = None,
    action: Annotated[str | None, typer.Option(help="What was done, e.g. COLLECTION.")] = None,
    proof_level: Annotated[str | None, typer.Option(help="1 stated to 3 adjudicated.")] = None,
    amount_band: Annotated[str | None, typer.Option(help="0 to 9.")] = None,
    days_past_due_band: Annotated[str | None, typer.Option(help="0 to 9.")] = None,
    event_month: Annotated[str | None, typer.Option(help="YYYY-MM.")] = None,
    effective_from: Annotated[str | None, typer.Option(help="From which day on.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="Until which day.")] = None,
    notice_at: Annotated[str | None, typer.Option(help="When the persons were told.")] = None,
    notice_file: NoticeFile = None,
    consent_file: ConsentFile = None,
    test_identifiers: TestIdentifiers = False,
    json_to: JsonTo = None,
) -> int:
    """Check a list of people, row by row, without a node. Exit 1: a row is refused.

    What an option states holds for every row that does not say it itself.
    """
    from node.intake import open_import, read_map

    given = {
        "id_type": id_type, "reason": reason, "product": product, "action": action,
        "proof_level": proof_level, "amount_band": amount_band,
        "days_past_due_band": days_past_due_band, "event_month": event_month,
        "effective_from": effective_from, "expires_at": expires_at, "notice_at": notice_at,
        "notice_hash": _sha256(notice_file), "consent": _sha256(consent_file),
    }  # fmt: skip
    _require_check(check=check)
    stated = _stated(given, policy, allow_test=test_identifiers)
    own_map = None
    if column_map is not None:
        own_map = read_map(require_file(column_map).read_bytes(), column_map.name)
    with open_import(
        require_file(file),
        stated,
        column_map=own_map,
        accept_map=accept_map,
        kind=_kind(file_format),
    ) as found:
        _report(found, json_to)
        summary = found.summary
    return EXIT_DONE if summary.drafts and not summary.refused else EXIT_NO


def _require_check(*, check: bool) -> None:
    from reconcile.model import UsageError

    if not check:
        raise UsageError(
            "IMPORT_NEEDS_NODE",
            "listings are posted by a node, and this command has none yet",
            help="add --check to see what would be listed",
        )


def _kind(word: str | None) -> Any:  # noqa: ANN401 - an enum that is imported late
    from node.intake.kinds import Kind
    from reconcile.model import UsageError

    if word is None:
        return None
    if word not in set(Kind):
        raise UsageError("FORMAT_UNKNOWN", f"{word!r} is none of {', '.join(Kind)}")
    return Kind(word)


def _stated(given: dict[str, str | None], policy: str, *, allow_test: bool) -> Stated:
    from node.intake.bands import Bands
    from node.intake.drafts import Stated
    from node.intake.values import WORDS, facts_of
    from node.screening.profiles import profile_of
    from reconcile.model import EPOCH, InputError, UsageError

    said = {name: text for name, text in given.items() if text is not None}
    try:
        facts = facts_of(said, WORDS, Bands(), month_first=False)
    except InputError as error:
        option = f"--{(error.where.field or '').replace('_', '-')}"
        raise UsageError(error.code, f"what {option} says is none: {error.message}") from None
    profile_of(policy)
    today = (dt.datetime.now(dt.UTC).date() - EPOCH).days
    return Stated(1, today, policy, facts, allow_test)


def _sha256(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(require_file(path).read_bytes()).hexdigest()


def _report(found: Import, json_to: str | None) -> None:
    """Write refusals as they come, so that the report of a large file is never held."""
    if json_to is not None:
        write_pieces(_pieces(found), json_to)
        return
    shown: list[Refused] = []
    for one in found.refusals():
        if len(shown) < SHOWN_REFUSALS:
            shown.append(one)
    _show(found.summary, shown)


def _pieces(found: Import) -> Iterator[str]:
    yield '{"refused": ['
    for number, one in enumerate(found.refusals()):
        yield (", " if number else "") + json.dumps(one.to_json(), ensure_ascii=False)
    rest = json.dumps({**found.summary.to_json(), "kept": False}, ensure_ascii=False)
    yield f"], {rest[1:]}\n"


def _show(summary: Summary, shown: list[Refused]) -> None:
    say(f"{summary.kind}  {summary.file}  sha256 {summary.file_sha256}")
    for one in shown:
        where = f", {one.column}" if one.column else ""
        note(f"line {one.line}{where}: {one.message} [{one.code}]")
        note(f"  help:  {one.help}")
    if summary.refused > len(shown):
        note(f"… and {summary.refused - len(shown):,} more; --json lists all")
    say(f"{summary.drafts:,} may be listed, {summary.refused:,} refused")
    for (source, signed), count in sorted(summary.sources.items()):
        say(f"  {count:,} from {source}: {signed}")
    for why, count in sorted(summary.passed_over.items()):
        say(f"  {count:,} passed over: {why}")
    for title, counts in (("reason", summary.by_reason), ("product", summary.by_product)):
        for word, count in sorted(counts.items()):
            say(f"  {title} {word}: {count:,}")
