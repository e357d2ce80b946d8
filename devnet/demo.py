"""`make demo`: two business days, four institutions, to agreed results; or a user's own files.

Exit code 0 only if every window is agreed, the proof amount is 0 and the breaks found are exactly
the labelled ones. With a user's own files: 0 when the result was computed and both sides agreed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from devnet.desk import DEFAULT_PORT, SECOND_ACT, links
from devnet.network import BANK, Network, build_network
from devnet.outcome import (
    WindowOutcome,
    judge,
    print_table,
    write_index,
    write_report,
)
from devnet.own import OwnFiles, check_own_files, plan_own_files
from devnet.parsing import Parser, write_outcome
from devnet.second_act import Outcome, print_outcome, run_second_act
from devnet.story import Relation, plan_days, run_relations
from devnet.turns import one_at_a_time
from node.home import LOCK_FILE, locked
from node.telemetry import configure_logging
from reconcile.model import UsageError, day_number
from reconcile.terms.calendar import Calendar

FOLDER: Final = Path("demo")
SEED: Final = 20_260
ENTRIES: Final = 400
DONE: Final = 0
REASON_KINDS: Final = ("AMOUNT", "DUPLICATE", "MISSING_AT_SERVICER")
OWN_KINDS: Final = ("AMOUNT", "MISSING_AT_OWNER", "MISSING_AT_SERVICER", "TIMING")
NOT_AGREED: Final = 1
#: What the nodes log while the story is told.
LOG: Final = "nodes.log"
LOG_LEVEL: Final = "warning"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says; `own` None runs the scenario, and the second act after it."""

    folder: Path = FOLDER
    seed: int = SEED
    entries: int = ENTRIES
    own: OwnFiles | None = None
    second_act: bool = True


def last_business_days(today: dt.date, count: int) -> int:
    """Return the first of the last `count` business days before today (Monday to Friday)."""
    calendar = Calendar()
    day = day_number(today) - 1
    while count:
        if calendar.is_business_day(day):
            count -= 1
            if not count:
                break
        day -= 1
    return day


def run_demo(options: DemoOptions, console: Console) -> tuple[int, dict[str, Any]]:
    """Run the demo; return the exit code and what `--json` prints."""
    started = time.monotonic()
    if options.own is not None:
        check_own_files(options.own)
    with one_at_a_time(options.folder):
        return _run(options, console, started)


def _run(options: DemoOptions, console: Console, started: float) -> tuple[int, dict[str, Any]]:
    clear_folder(options.folder)

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/] {text}", soft_wrap=True)

    books = options.folder / "books"
    if options.own is not None:
        relations = plan_own_files(options.own, books, say)
    else:
        first = last_business_days(dt.datetime.now(tz=dt.UTC).date(), 2)
        say(f"writing two business days of books under {books}")
        relations = plan_days(books, seed=options.seed, entries=options.entries, day=first)
    with _logging_to(options.folder / LOG):
        return _tell(options, console, relations, say)


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Keep the nodes' log lines out of the story, in a file beside it."""
    with path.open("a", encoding="utf-8", buffering=1) as stream:
        configure_logging(LOG_LEVEL, as_json=False, stream=stream)
        try:
            yield
        finally:
            configure_logging(LOG_LEVEL, as_json=False)


def _tell(
    options: DemoOptions, console: Console, relations: list[Relation], say: Callable[[str], None]
) -> tuple[int, dict[str, Any]]:
    own = options.own is not None
    network = build_network(options.folder, say=say)
    try:
        run_relations(network, relations, say)
        outcomes = _outcomes(network, relations, options.folder, own=own)
        reasons = [why for item in relations for why in _reasons(network, item, own=own)]
        log_in = links(network.nodes[BANK.slug], BANK.slug)["maker"]
    finally:
        network.close()
    told = None
    if options.second_act and not own:
        say("second act: the blacklist")
        told = run_second_act(options.folder / SECOND_ACT, say)
    page = write_index(options.folder, outcomes, title="Kanhe demo")
    console.print()
    print_table(console, outcomes)
    if reasons:
        console.print("\nWhy some entries differ, as the owner's desk says it:")
    for why in reasons:
        console.print(f"  {why}", soft_wrap=True)
    if told is not None:
        console.print()
        print_outcome(console, told)
    agreed = not any(item.problems for item in outcomes)
    code = DONE if agreed and (told is None or told.ok) else NOT_AGREED
    _farewell(console, options, page, agreed=agreed, told=told)
    console.print(f"  then log in, once: http://127.0.0.1:{DEFAULT_PORT}{log_in}", soft_wrap=True)
    return code, {
        "ok": code == DONE,
        "report": str(page),
        "windows": [
            {**item.status.to_json(), "problems": list(item.problems), "report": str(item.report)}
            for item in outcomes
        ],
        "blacklist": None if told is None else told.to_json(),
    }


def clear_folder(folder: Path) -> None:
    """Remove an earlier demo; `UsageError` FOLDER_IN_USE when the folder holds anything else.

    `OutsideError` HOME_IN_USE while its nodes still run, as under `make desk`.
    """
    if not folder.exists():
        return
    if (
        any(folder.iterdir())
        and not (folder / "passphrase").exists()
        and not (folder / "books").exists()
    ):
        raise UsageError(
            "FOLDER_IN_USE",
            f"{folder} is not empty and was not made by a demo",
            help="name another folder with --folder",
        )
    for lock in folder.rglob(LOCK_FILE):
        locked(lock.parent).close()
    shutil.rmtree(folder)


def _outcomes(
    network: Network, relations: list[Relation], folder: Path, *, own: bool
) -> list[WindowOutcome]:
    outcomes = []
    for relation in relations:
        servicer, owner = relation.parties(network)
        labels = {books.window: books.labels for books in relation.days}
        names = {"agreement": relation.label, "servicer": servicer.name, "owner": owner.name}
        for window in relation.windows:
            status, problems = judge(
                servicer,
                owner,
                relation.agreement,
                window,
                labels=labels.get(window),
                strict_proof=not own,
            )
            stem = f"{relation.kind.name.lower()}-{relation.agreement.hex()[:8]}-"
            stem += status.day_iso if window else "opening"
            path = write_report(
                servicer, relation.agreement, window, folder / "reports", stem, names
            )
            outcomes.append(WindowOutcome(status, path, problems))
    return outcomes


def _reasons(network: Network, relation: Relation, *, own: bool) -> list[str]:
    """Return what is known of the last window's breaks, one sentence for each of some kinds."""
    _, owner = relation.parties(network)
    window = relation.windows[-1]
    said = []
    for kind in OWN_KINDS if own else REASON_KINDS:
        for row in owner.breaks.breaks(relation.agreement, window, kind=kind, limit=1):
            detail = owner.breaks.show(relation.agreement, row.key, window)
            said.append(f"{relation.label} [bold]{kind}[/] {detail.sentence}")
    return said


def _farewell(
    console: Console, options: DemoOptions, page: Path, *, agreed: bool, told: Outcome | None
) -> None:
    console.print()
    if agreed:
        words = "Both sides computed and signed the same result for every window."
        console.print(f"[green]✓[/] {words}")
        if options.own is None:
            console.print("  The proof amount is 0 and the breaks are exactly the labelled ones.")
    else:
        console.print("[red]✗[/] Not every window came out as it should: see the lines above.")
    console.print(f"Report:          {page}", soft_wrap=True)
    example = next(iter(sorted((options.folder / "reports").glob("*.json"))), None)
    if example is not None:
        console.print(f"Verify offline:  .venv/bin/kanhe verify {example}", soft_wrap=True)
    if told is not None:
        if not told.ok:
            console.print("[red]✗[/] The second act did not come out as it should: see its table.")
        for path in told.files:
            console.print(
                f"                 .venv/bin/kanhe verify --test-identifiers {path}", soft_wrap=True
            )
    console.print("Your own file:   make demo SERVICER=statement.xml [OWNER=cash-book.csv]")
    console.print("Open the desk:   make desk")


def main(argv: Sequence[str]) -> int:
    """Run the demo; the words are those of `kanhe demo --help`."""
    parser = Parser(prog="kanhe demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="made anew at every run")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="a side, agreement and day")
    parser.add_argument("--servicer", type=Path, help="your statement; without it: the scenario")
    parser.add_argument("--owner", type=Path, help="the other book; without it: derived")
    parser.add_argument("--servicer-profile")
    parser.add_argument("--owner-profile")
    parser.add_argument("--servicer-perspective", choices=("ledger", "statement"))
    parser.add_argument("--owner-perspective", choices=("ledger", "statement"))
    parser.add_argument("--currency", help="of files that name none")
    parser.add_argument("--lenient", action="store_true", help="read files that contradict")
    parser.add_argument("--accept-map", action="store_true", help="accept the proposed columns")
    parser.add_argument("--no-second-act", action="store_true", help="reconciliation alone")
    parser.add_argument("--json", metavar="FILE", help="the outcome as JSON; - is standard output")
    given = parser.parse_args(argv)
    own = None
    if given.servicer is not None:
        own = OwnFiles(
            given.servicer,
            given.owner,
            given.servicer_profile,
            given.owner_profile,
            given.servicer_perspective,
            given.owner_perspective,
            given.currency,
            given.lenient,
            given.accept_map,
        )
    elif given.owner is not None:
        raise UsageError("SERVICER_MISSING", "an owner's book needs a servicer's statement too")
    second = not given.no_second_act
    options = DemoOptions(given.folder, given.seed, given.entries, own, second)
    code, body = run_demo(options, Console(stderr=True))
    if given.json is not None:
        write_outcome(body, given.json)
    return code
