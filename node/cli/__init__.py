"""The `kanhe` command line: `main` runs one command and returns its exit code.

Commands import what they need when they run, so that `kanhe --help` answers at once and
`kanhe match` needs neither database nor chain.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from reconcile.model import KanheError, OutsideError, UsageError

STOPPED_BY_SIGNAL: Final = 130
# The disk is full, the quota is, or files may not grow as large (a library's own among them).
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What a shell says of a program that wrote to a reader that has gone (128 + SIGPIPE).
READER_GONE: Final = 141
JSON_FLAG: Final = "--json"
# A start makes 180,000 objects that stay: by default the cycle collector looks at them 500 times,
# an eighth of the start.
YOUNG_OBJECTS: Final = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 the answer is no, 2 wrong usage or input, 3 outside world.

    130 and 141: stopped by Ctrl-C, or by a reader of the answer that has gone (`| head`).
    """
    gc.set_threshold(YOUNG_OBJECTS)
    from node.cli.output import report_error

    words = normalise(list(sys.argv[1:] if argv is None else argv))
    json_to = json_target(words)
    try:
        answer = _run(words)
        # What is still buffered is part of the answer, and its reader may have gone.
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return READER_GONE
    except KanheError as error:
        return report_error(error, json_to)
    except OSError as error:
        return report_error(_translate_os_error(error), json_to)
    except KeyboardInterrupt:
        return STOPPED_BY_SIGNAL
    return answer


def _forget_output() -> None:
    """Let what is still buffered go nowhere: at exit the interpreter would write it once more."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def normalise(words: list[str]) -> list[str]:
    """Read a bare `--json` as `--json -`: it may stand last or before another option."""
    given: list[str] = []
    for index, word in enumerate(words):
        given.append(word)
        following = words[index + 1] if index + 1 < len(words) else None
        if word == JSON_FLAG and (following is None or _is_option(following)):
            given.append("-")
    return given


def json_target(words: Sequence[str]) -> str | None:
    """Return where `--json` points, known before the words are parsed, so errors go there too."""
    for index, word in enumerate(words):
        if word == "--":
            return None
        if word == JSON_FLAG and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(JSON_FLAG + "="):
            return word.removeprefix(JSON_FLAG + "=")
    return None


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _run(words: list[str]) -> int:
    import typer

    try:
        answer = _run_tree()(args=words, prog_name="kanhe", standalone_mode=False)
    except SystemExit as ended:
        # The tree of commands ends a broken pipe with 1, which here means "no".
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    except typer.Abort:
        raise UsageError("ABORTED", "stopped before anything was done") from None
    except typer.TyperException as error:
        raise _translate_usage(error) from None
    return answer if isinstance(answer, int) else 0


@functools.cache
def _run_tree() -> Callable[..., object]:
    """Return what runs the tree of commands; making the tree costs more than most of them."""
    import typer

    from node.cli.app import app

    return typer.main.get_command(app).main


def _translate_usage(error: Exception) -> UsageError:
    """Turn the parser's complaint into ours, so that `--json` callers get one shape."""
    words = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # Its words are the whole help, which the hint below names.
        words = "no command was named"
    command = context.command_path if context is not None else "kanhe"
    return UsageError("USAGE", words, help=f"see `{command} --help`")


def _translate_os_error(error: OSError) -> KanheError:
    """Name the disk's and the sockets' refusals; everything else keeps the system's words."""
    name = str(error.filename) if error.filename is not None else "the file"
    if error.errno in NO_ROOM:
        return OutsideError(
            "DISK_FULL", "no space is left on the device", help="free space, then run it again"
        )
    if error.errno == errno.EADDRINUSE:
        return OutsideError(
            "PORT_IN_USE", "the address is in use", help="name another one with --port"
        )
    if isinstance(error, FileNotFoundError):
        return UsageError("FILE_NOT_FOUND", f"{name} does not exist", help="check the path")
    if isinstance(error, IsADirectoryError):
        return UsageError("FILE_IS_DIRECTORY", f"{name} is a directory", help="name a file")
    if isinstance(error, FileExistsError | NotADirectoryError):
        return UsageError("FILE_EXISTS", f"{name} is a file", help="name a folder")
    if isinstance(error, PermissionError):
        return OutsideError("PERMISSION", f"{name} may not be read or written")
    return OutsideError("SYSTEM", str(error))
