"""How every command speaks: one JSON object to a target, or text for people; errors alike.

Standard output carries only the answer; progress, warnings and errors go to standard error
(interfaces.md). Exit codes: 0 done, 1 done and the answer is no, 2 wrong usage or bad input,
3 the outside world.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from reconcile.model import KanheError, UsageError

EXIT_DONE: Final = 0
EXIT_NO: Final = 1
EXIT_USAGE: Final = 2
EXIT_OUTSIDE: Final = 3
STDOUT: Final = "-"
MAX_DETAILS: Final = 100
PIPE_WIDTH: Final = 200

JsonTo = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="-|FILE",
        help="Write one JSON object: '-' to standard output, else to that file.",
    ),
]


def emit(value: object, json_to: str | None, human: Callable[[], None]) -> None:
    """Write `value` as JSON where `--json` says, or call `human` when it was not given."""
    if json_to is None:
        human()
    else:
        write_json(value, json_to)


def write_json(value: object, json_to: str) -> None:
    """Write one JSON object and a line end to `json_to` (`-` is standard output)."""
    text = json.dumps(value, ensure_ascii=False, default=_plain) + "\n"
    if json_to == STDOUT:
        # Bytes, so that a terminal set to another encoding cannot break the answer.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        Path(json_to).write_text(text, encoding="utf-8")


def _plain(value: object) -> object:
    """Turn the bytes, paths and enums of a value into JSON."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set | tuple):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def require_file(path: Path) -> Path:
    """Return a path that is a file; `UsageError` FILE_NOT_FOUND: the call's words are wrong."""
    if not path.is_file():
        raise UsageError("FILE_NOT_FOUND", f"{path} is no file", help="check the path")
    return path


def say(text: str = "") -> None:
    """Write one line of the answer for people."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Write one line beside the answer: a warning or a hint, to standard error."""
    sys.stderr.write(text + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; a column whose name starts with `>` is aligned right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left")
    for column in columns:
        right = column.startswith(">")
        drawn.add_column(column.removeprefix(">"), justify="right" if right else "left")
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    # A file or pipe has no width: wide enough that no cell is broken.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(drawn)


@contextlib.contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate and time left while on a terminal; yields `advance(by)`."""
    if not sys.stderr.isatty():
        yield lambda _by: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda by: bar.advance(task, by)


def report_error(error: KanheError, json_to: str | None) -> int:
    """Say what was refused, where and what to do; return the exit code."""
    if json_to is not None:
        with contextlib.suppress(OSError):
            write_json({"error": error.to_json()}, json_to)
            return error.exit_code
    place = error.where
    parts = [place.file, f"line {place.line}" if place.line else None, place.field]
    where = ", ".join(part for part in parts if part)
    note(f"error: {error.message} [{error.code}]")
    if where:
        note(f"  where: {where}")
    for item in error.details[:MAX_DETAILS]:
        at = f"line {item.line}: " if item.line else ""
        seen = f" (expected {item.expected}, found {item.found})" if item.expected else ""
        note(f"  - {at}{item.message}{seen} [{item.code}]")
    if error.help:
        note(f"  help:  {error.help}")
    return error.exit_code
