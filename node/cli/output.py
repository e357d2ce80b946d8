"""How every command speaks: one JSON object to a target, or text for people; errors alike.

Standard output carries only the answer; progress, warnings and errors go to standard error
(interfaces.md). Exit codes: 0 done, 1 done and the answer is no, 2 wrong usage or bad input,
3 the outside world.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
NARROW: Final = 100
#: What a terminal obeys instead of showing: control characters, and marks that turn text around
#: (Unicode's bidirectional controls, line and paragraph separators). A tab is harmless.
_OBEYED: Final = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x09),
        *range(0x0A, 0x20),
        *range(0x7F, 0xA0),
        0x061C,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    )
}

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


def write_pieces(pieces: Iterable[str], json_to: str) -> None:
    """Write JSON text that comes in pieces, so that it never stands in memory as a whole."""
    if json_to == STDOUT:
        for piece in pieces:
            sys.stdout.buffer.write(piece.encode())
        sys.stdout.buffer.flush()
        return
    with Path(json_to).open("w", encoding="utf-8") as out:
        out.writelines(pieces)


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


def shown(text: str) -> str:
    r"""Return text in which what a terminal would obey is spelled out, as `\u001b`.

    Files and counterparties' words are printed: one line of them must not look like two of ours.
    """
    return text.translate(_OBEYED)


def say(text: str = "") -> None:
    """Write one line of the answer for people."""
    sys.stdout.write(shown(text) + "\n")


def say_lines(text: str) -> None:
    """Write a text that is several lines, each by itself."""
    for line in text.rstrip("\n").split("\n"):
        say(line)


def note(text: str) -> None:
    """Write one line beside the answer: a warning or a hint, to standard error."""
    sys.stderr.write(shown(text) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; a column whose name starts with `>` is aligned right.

    On a narrow terminal a long cell is folded, never cut; kinds and numbers stay in one piece.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A file or pipe has no width: wide enough that no cell is broken.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    drawn = Table(title=title or None, title_justify="left")
    if console.width < NARROW:
        drawn.box, drawn.padding = SIMPLE_HEAD, (0, 1, 0, 0)
    for index, column in enumerate(columns):
        right = column.startswith(">")
        drawn.add_column(
            column.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=column == "kind",
            overflow="fold",
            min_width=_longest_word(row[index] for row in rows) if right else None,
        )
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else shown(str(cell))) for cell in row))
    console.print(drawn)


def _longest_word(cells: Iterable[object]) -> int:
    """Return the width below which a number would be broken."""
    return max((len(word) for cell in cells for word in str(cell).split()), default=1)


@contextlib.contextmanager
def naming_side(side: str) -> Iterator[None]:
    """Let a refusal's hint name the options of a command that reads two files."""
    try:
        yield
    except KanheError as error:
        for word in ("--perspective", "--profile"):
            error.help = error.help.replace(word, f"--{side}{word.removeprefix('-')}")
        raise


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
    # The first line already says the only one there is.
    for item in error.details[:MAX_DETAILS] if len(error.details) > 1 else ():
        at = f"line {item.line}: " if item.line else ""
        pairs = (("expected", item.expected), ("found", item.found))
        seen = ", ".join(f"{word} {text}" for word, text in pairs if text is not None)
        note(f"  - {at}{item.message}{f' ({seen})' if seen else ''} [{item.code}]")
    if error.help:
        note(f"  help:  {error.help}")
    return error.exit_code


def plain(body: Mapping[str, object]) -> dict[str, object]:
    """Return a view's fields with numbers as text, as every command's JSON has them."""
    return {name: _numbers_as_text(value) for name, value in body.items()}


def _numbers_as_text(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_numbers_as_text(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
