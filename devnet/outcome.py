"""What the demo found, beside what it expected: the table, the reports on disk, the verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from node.bootstrap import Node
from node.services.reconciliation import WindowStatus
from node.web.index_html import IndexRow, index_html
from node.web.report_html import report_html
from reconcile.currency import amount_words
from reconcile.model import Side

TABLE_WIDTH: Final = 160
COLUMNS: Final = (
    "agreement", "window", "entries S / O", "groups", "breaks", "proof (basis)",
    "T+0 p50 / p99", "digest", "state",
)  # fmt: skip
# Left out on a terminal that is narrower; the report has them.
WIDE_ONLY: Final = frozenset({"groups", "T+0 p50 / p99", "digest"})


@dataclass(frozen=True, slots=True)
class Expected:
    """One labelled break: its kind, the refs of both sides, sorted."""

    kind: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WindowOutcome:
    """One agreement × window as both sides have it, and what speaks against it."""

    status: WindowStatus
    report: Path
    problems: tuple[str, ...]


def found_breaks(report: Mapping[str, Any]) -> frozenset[Expected]:
    """Return the breaks of a report as labels are written."""
    return frozenset(
        Expected(item["kind"], tuple(sorted(item["servicer"])), tuple(sorted(item["owner"])))
        for item in report["breaks"]
    )


def judge(
    servicer: Node,
    owner: Node,
    agreement: bytes,
    window: int,
    *,
    labels: Iterable[Expected] | None,
    strict_proof: bool,
) -> tuple[WindowStatus, tuple[str, ...]]:
    """Compare both sides' results with each other and, where there are any, with the labels.

    `strict_proof`: a proof amount other than 0 is a problem too (a user's own books may differ).
    """
    problems = []
    views = [node.reconciliation.window_status(agreement, window) for node in (servicer, owner)]
    stored = [node.reconciliation.report(agreement, window) for node in (servicer, owner)]
    for side, view in zip(Side, views, strict=True):
        if view.state != "AGREED":
            problems.append(f"the {side.word} has it as {view.state}")
    if stored[0].digest != stored[1].digest:
        problems.append("the digests differ")
    if strict_proof and any(minor for _, minor in views[0].proof):
        problems.append("the proof amount is not 0")
    if strict_proof and not views[0].complete:
        problems.append("an identity fails")
    if labels is not None:
        expected, found = frozenset(labels), found_breaks(stored[0].report)
        problems += [f"expected, not found: {item}" for item in sorted(expected - found, key=str)]
        problems += [f"found, not expected: {item}" for item in sorted(found - expected, key=str)]
    return views[0], tuple(problems)


def write_report(
    node: Node, agreement: bytes, window: int, folder: Path, stem: str, names: Mapping[str, str]
) -> Path:
    """Write a window's signed bundle (JSON) and its HTML report; return the HTML's path."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle_path = folder / f"{stem}.json"
    node.proofs.write_bundle(agreement, window, bundle_path)
    bundle = json.loads(bundle_path.read_text(encoding="utf-8"))
    page = report_html(
        bundle["report"],
        bundle["groups"],
        signatures=bundle["result"]["attestations"],
        names=names,
        digest=bundle["result"]["digest"],
    )
    path = folder / f"{stem}.html"
    path.write_text(page, encoding="utf-8")
    return path


def _proof_cell(status: WindowStatus) -> str:
    amounts = ", ".join(amount_words(minor, code) for code, minor in status.proof) or "-"
    basis = status.basis or "no balance"
    return f"{amounts} ({basis.lower()})"


def _latency_cell(status: WindowStatus) -> str:
    if status.latency.p50_ms is None:
        return "-"
    return f"{status.latency.p50_ms} / {status.latency.p99_ms} ms"


def print_table(console: Console, outcomes: Sequence[WindowOutcome]) -> None:
    """Print agreements × windows, then each window's breaks by kind."""
    table = Table(title="Agreements × windows", expand=False)
    narrow = console.is_terminal and console.width < TABLE_WIDTH
    right = {"entries S / O", "groups", "breaks", "proof (basis)"}
    for word in COLUMNS:
        if narrow and word in WIDE_ONLY:
            continue
        may_wrap = narrow and word in {"agreement", "proof (basis)"}
        table.add_column(word, justify="right" if word in right else "left", no_wrap=not may_wrap)
    for item in outcomes:
        status = item.status
        good = status.state == "AGREED" and not item.problems
        cells = (
            status.label,
            _day(status),
            f"{status.servicer_entries:,} / {status.owner_entries:,}",
            f"{status.matched_groups:,}",
            f"{sum(count for _, count in status.breaks):,}",
            _proof_cell(status),
            _latency_cell(status),
            status.digest.hex()[:12] if status.digest else "-",
            f"[green]✓ {status.state}[/]" if good else f"[red]✗ {status.state}[/]",
        )
        shown = zip(COLUMNS, cells, strict=True)
        table.add_row(*(cell for word, cell in shown if not (narrow and word in WIDE_ONLY)))
    wide = console if narrow else Console(file=console.file, width=TABLE_WIDTH)
    wide.print(table)
    for item in outcomes:
        kinds = ", ".join(f"{kind} {count}" for kind, count in item.status.breaks)
        if kinds:
            words = f"{item.status.label} [dim]{_day(item.status)}[/] {kinds}"
            console.print(words, soft_wrap=not narrow)
        for problem in item.problems:
            console.print(f"[red]{item.status.label} {_day(item.status)}[/]: {problem}")


def _day(status: WindowStatus) -> str:
    return status.day_iso if status.window else "opening"


def write_index(folder: Path, outcomes: Sequence[WindowOutcome], *, title: str) -> Path:
    """Write the demo's own page: the same table, each row a link to its window's report."""
    rows = [
        IndexRow(
            label=item.status.label,
            day=_day(item.status),
            entries=(item.status.servicer_entries, item.status.owner_entries),
            groups=item.status.matched_groups,
            breaks=item.status.breaks,
            proof=_proof_cell(item.status),
            latency=_latency_cell(item.status),
            digest=item.status.digest.hex() if item.status.digest else "",
            state=item.status.state,
            good=not item.problems,
            href=item.report.relative_to(folder).as_posix(),
        )
        for item in outcomes
    ]
    path = folder / "report.html"
    path.write_text(index_html(rows, title=title), encoding="utf-8")
    return path
