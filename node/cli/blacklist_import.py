"""`kanhe blacklist import FILE`: an overdue list, MISP events or FtM entities become listings.

The whole file is checked before anything is kept. `--check` ends there and needs no node. No
identifier is shown, written or logged, in either.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.blacklist_profiles import notices_json, say_notices
from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, note, require_file, say, write_pieces
from node.cli.session import Home, Wait, acting, actor, finish
from reconcile.model import InputError, UsageError

if TYPE_CHECKING:
    from node.intake import ColumnMap, Import, Refused, Stated, Summary
    from node.intake.kinds import Kind
    from node.services.screening.importing import Imported

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
    partial: Annotated[
        bool, typer.Option("--partial", help="List the good rows of a file with refused ones.")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """List everybody in a file, or --check it, row by row. Exit 1: a row is refused.

    What an option states holds for every row that does not say it itself.
    """
    from node.intake import read_map

    given = {
        "id_type": id_type, "reason": reason, "product": product, "action": action,
        "proof_level": proof_level, "amount_band": amount_band,
        "days_past_due_band": days_past_due_band, "event_month": event_month,
        "effective_from": effective_from, "expires_at": expires_at, "notice_at": notice_at,
        "notice_hash": _sha256(notice_file), "consent": _sha256(consent_file),
    }  # fmt: skip
    words = {name: text for name, text in given.items() if text is not None}
    own_map = None
    if column_map is not None:
        own_map = read_map(require_file(column_map).read_bytes(), column_map.name)
    opening = functools.partial(
        _open, require_file(file), column_map=own_map, accept_map=accept_map,
        kind=_kind(file_format),
    )  # fmt: skip
    if check:
        with opening(_stated(words, policy, allow_test=test_identifiers)) as found:
            _report(found, None, policy, json_to)
            done = bool(found.summary.drafts) and not found.summary.refused
        return EXIT_DONE if done else EXIT_NO
    with acting(home) as node:
        try:
            stated = node.screening.stated(words, policy=policy, allow_test=test_identifiers)
        except InputError as error:
            raise _no_word(error) from None
        with opening(stated) as found:
            # Told before anything is kept, so that a long list can still be stopped.
            note(f"{found.summary.drafts:,} may be listed, {found.summary.refused:,} are refused")
            listed = None
            if partial or not found.summary.refused:
                listed = node.screening.list_import(found, partial=partial, actor=actor())
            _report(found, listed, policy, json_to)
    if listed is None or not listed.listed:
        return EXIT_NO
    finish(home, wait=wait)
    return EXIT_NO if listed.refused or found.summary.refused else EXIT_DONE


def _open(
    file: Path,
    stated: Stated,
    *,
    column_map: ColumnMap | None,
    accept_map: bool,
    kind: Kind | None,
) -> AbstractContextManager[Import]:
    from node.intake import open_import

    return open_import(file, stated, column_map=column_map, accept_map=accept_map, kind=kind)


def _kind(word: str | None) -> Kind | None:
    from node.intake.kinds import Kind

    if word is None:
        return None
    if word not in set(Kind):
        raise UsageError("FORMAT_UNKNOWN", f"{word!r} is none of {', '.join(Kind)}")
    return Kind(word)


def _stated(words: dict[str, str], policy: str, *, allow_test: bool) -> Stated:
    """Return what is stated where no node says who lists and what day it is on the ledger."""
    from node.intake.bands import Bands
    from node.intake.drafts import Stated
    from node.intake.values import WORDS, facts_of
    from node.screening.profiles import profile_of
    from reconcile.model import EPOCH

    try:
        facts = facts_of(words, WORDS, Bands(), month_first=False)
    except InputError as error:
        raise _no_word(error) from None
    profile_of(policy)
    today = (dt.datetime.now(dt.UTC).date() - EPOCH).days
    return Stated(1, today, policy, facts, allow_test)


def _no_word(error: InputError) -> UsageError:
    if not error.code.startswith("ROW_"):
        return UsageError(error.code, error.message, help=error.help)
    option = f"--{(error.where.field or '').replace('_', '-')}"
    return UsageError(error.code, f"what {option} says is none: {error.message}")


def _sha256(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(require_file(path).read_bytes()).hexdigest()


def _report(found: Import, listed: Imported | None, policy: str, json_to: str | None) -> None:
    """Write refusals as they come, so that the report of a large file is never held."""
    if json_to is not None:
        write_pieces(_pieces(found, listed, policy), json_to)
        return
    shown: list[Refused] = []
    for one in found.refusals():
        if len(shown) < SHOWN_REFUSALS:
            shown.append(one)
    late = () if listed is None else listed.refused
    _show(found.summary, [*shown, *late[:SHOWN_REFUSALS]])
    say_notices(notices_json(policy))
    if listed is not None:
        say(f"{len(listed.listed):,} listed, {len(late):,} refused by this node")


def _pieces(found: Import, listed: Imported | None, policy: str) -> Iterator[str]:
    yield '{"refused": ['
    late = () if listed is None else listed.refused
    for number, one in enumerate(itertools.chain(found.refusals(), late)):
        yield (", " if number else "") + json.dumps(one.to_json(), ensure_ascii=False)
    yield '], "listed": ['
    for number, (line, entry) in enumerate(() if listed is None else listed.listed):
        pair = {"line": line, "entry": entry.hex()}
        yield (", " if number else "") + json.dumps(pair)
    kept = listed is not None and bool(listed.listed)
    told = {"kept": kept, "notify": notices_json(policy)}
    rest = json.dumps({**found.summary.to_json(), **told}, ensure_ascii=False)
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
