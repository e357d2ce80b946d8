"""Writing small files that must never be half there: exclusive, private, synced, renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from reconcile.model import OutsideError, Where

PRIVATE_FILE: Final = 0o600
PRIVATE_DIRECTORY: Final = 0o700


def make_private_directory(directory: Path) -> None:
    """Make a directory that only its user can read; an existing one is made so.

    Raises `OutsideError` DISK_WRITE.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        directory.chmod(PRIVATE_DIRECTORY)
    except OSError as error:
        raise disk_error(directory, error) from None


def write_private(path: Path, data: bytes) -> None:
    """Write `path` with mode 0600: after a crash it holds the old bytes or the new, whole.

    The file and then its directory are synced, so that a key that is about to be published is on
    the disk and not only in a cache. Raises `OutsideError` DISK_WRITE.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise disk_error(path, error) from None


def disk_error(path: Path, error: OSError) -> OutsideError:
    """Return the refusal for a disk that does not take the file."""
    return OutsideError(
        "DISK_WRITE",
        f"{path.name} could not be written: {error.strerror or error}",
        where=Where(file=str(path)),
        help="Free some space or mend the permissions, then call again; nothing was half-written.",
    )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
