"""A demo's folder is one command's at a time: `make demo` and `make desk` must not race for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from reconcile.model import OutsideError


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a demo's folder while a command makes, clears or serves it.

    The lock lies beside the folder, which a new demo removes. Raises `OutsideError` DEMO_IN_USE.
    """
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise OutsideError(
                "DEMO_IN_USE",
                f"{folder} is in use by a demo or its desk ({holder})",
                help="end that one first (Ctrl-C), or name another folder with --folder",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
