"""A replica's folder: segments and versions of each key epoch, and which version is served.

    replica/CURRENT                              {"key_epoch": 3, "version": 41}
    replica/epoch-0000000003/segments/…          batches as they came
    replica/epoch-0000000003/versions/…41/       a version, whole
    replica/epoch-0000000003/versions/….building what a crash left: removed, built again

Building never touches what is served; `serve` replaces one small file. One process writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from node.crypto.files import disk_error, make_private_directory, write_private
from node.replica.building import ROWS, Built, Cut, build
from node.replica.rows import Removal, Sent, make_row
from node.replica.segments import (
    MAX_BATCH,
    consolidate,
    merged,
    read_rows,
    segments_of,
    sync_directory,
    write_segment,
)
from node.replica.serving import Version, read_header
from reconcile.model import OutsideError, ProtocolError, UsageError, Where

_CURRENT: Final = "CURRENT"
_LOCK: Final = "LOCK"
_BUILDING: Final = ".building"


class Replica:
    """The folder of one replica."""

    def __init__(self, folder: Path) -> None:
        """Take a folder; it is made if need be."""
        make_private_directory(folder)
        self._folder = folder

    # ---------------------------------------------------------------------------- records come
    def take(self, key_epoch: int, items: Sequence[Sent | Removal]) -> int:
        """Keep a batch of records; return its number, once it is on the disk.

        A batch sent again changes nothing. Raises `ProtocolError` REPLICA_RECORD, `UsageError`
        REPLICA_BATCH, `OutsideError` DISK_WRITE or REPLICA_BUSY: nothing of the batch is kept.
        """
        if not 0 < len(items) <= MAX_BATCH:
            raise UsageError("REPLICA_BATCH", f"a batch holds 1 to {MAX_BATCH:,} records")
        with self._writing():
            number = self.last_batch(key_epoch) + 1
            first = number * MAX_BATCH
            rows = [make_row(item, first + at) for at, item in enumerate(items)]
            write_segment(self._segments(key_epoch), number, number, sorted(rows))
        return number

    def last_batch(self, key_epoch: int) -> int:
        """Return the number of the last batch of a key epoch, 0 for none."""
        waiting = segments_of(self._segments(key_epoch))
        built = [self._through(key_epoch, version) for version in self.versions(key_epoch)]
        return max([0, *built, *(one.last for one in waiting)])

    # ---------------------------------------------------------------------------- versions
    def build(self, cut: Cut, *, through: int | None = None) -> Built:
        """Build a version from the one before it and the batches since; it is not served yet.

        `through` is the last batch that stands before the cut, all of them where not said.

        A version that was built before is built anew (a root that was challenged), unless it is
        served. Raises what `building.build` raises, `UsageError` VERSION_SERVED, `OutsideError`
        DISK_WRITE or REPLICA_BUSY; whatever happens, what is served stays.
        """
        if self.current() == (cut.key_epoch, cut.version):
            raise UsageError(
                "VERSION_SERVED",
                f"version {cut.version} is served",
                help="cut the log again and build the next version",
            )
        versions = self._versions(cut.key_epoch)
        building = versions / f"{cut.version:010d}{_BUILDING}"
        final = self._version(cut.key_epoch, cut.version)
        with self._writing():
            _remove(building)
            try:
                make_private_directory(building)
                built = self._build_in(building, cut, through)
                sync_directory(building)
                _remove(final)
                building.replace(final)
                sync_directory(versions)
            except OSError as error:
                raise disk_error(final, error) from None
            finally:
                _remove(building)
        return built

    def _build_in(self, building: Path, cut: Cut, through: int | None) -> Built:
        before = [one for one in self.versions(cut.key_epoch) if one < cut.version]
        base = max(before, default=None)
        begun = 0 if base is None else self._through(cut.key_epoch, base)
        ended = self.last_batch(cut.key_epoch) if through is None else through
        waiting = consolidate(self._segments(cut.key_epoch), ended)
        parts = [read_rows(one.path) for one in waiting if one.last > begun]
        if base is not None:
            parts.insert(0, read_rows(self._version(cut.key_epoch, base) / ROWS))
        last = max([begun, *(one.last for one in waiting)])
        return build(building, merged(parts), cut, last)

    def serve(self, key_epoch: int, version: int) -> None:
        """Serve a version from now on: one file is replaced, whole."""
        self.open(key_epoch, version).close()
        body = json.dumps({"key_epoch": key_epoch, "version": version}).encode()
        write_private(self._folder / _CURRENT, body)

    def current(self) -> tuple[int, int] | None:
        """Return key epoch and version that are served, None before the first."""
        try:
            body = json.loads((self._folder / _CURRENT).read_bytes())
        except FileNotFoundError:
            return None
        return int(body["key_epoch"]), int(body["version"])

    def open_current(self) -> Version:
        """Open the version that is served; raises `ProtocolError` INDEX_NONE before the first."""
        found = self.current()
        if found is None:
            raise ProtocolError(
                "INDEX_NONE",
                "no version of the index is served yet",
                where=Where(field="index"),
                help="Ask another replica, or wait for the first version.",
            )
        return self.open(*found)

    def open(self, key_epoch: int, version: int) -> Version:
        """Open a version, served or not: uploaders look for their leaves before it is."""
        return Version(self._version(key_epoch, version))

    def versions(self, key_epoch: int) -> list[int]:
        """Return the versions of a key epoch that are whole, ascending."""
        found = self._versions(key_epoch).glob("*")
        return sorted(int(path.name) for path in found if path.name.isdecimal())

    def drop(self, key_epoch: int) -> None:
        """Remove a key epoch's records and versions, the served one too: it begins anew.

        Raises `OutsideError` DISK_WRITE or REPLICA_BUSY; called again, it goes on.
        """
        folder = self._folder / f"epoch-{key_epoch:010d}"
        with self._writing():
            found = self.current()
            try:
                if found is not None and found[0] == key_epoch:
                    (self._folder / _CURRENT).unlink()
                _remove(folder)
            except OSError as error:
                raise disk_error(folder, error) from None

    def prune(self) -> None:
        """Remove versions older than the one before the served one, and what they were made of."""
        found = self.current()
        if found is None:
            return
        epoch, served = found
        with self._writing():
            for folder in self._folder.glob("epoch-*"):
                if int(folder.name.removeprefix("epoch-")) < epoch:
                    _remove(folder)
            older = [one for one in self.versions(epoch) if one < served]
            for version in older[:-1]:
                _remove(self._version(epoch, version))
            # The oldest version that is left holds these rows itself.
            through = self._through(epoch, min(self.versions(epoch)))
            for one in segments_of(self._segments(epoch)):
                if one.last <= through:
                    one.path.unlink()

    # ---------------------------------------------------------------------------- folders
    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the folder's lock; the system frees it when the process ends, however it ends."""
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutsideError(
                    "REPLICA_BUSY",
                    "another process writes to this replica",
                    where=Where(file=str(self._folder)),
                    help="Try again when it has ended.",
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _segments(self, key_epoch: int) -> Path:
        return self._folder / f"epoch-{key_epoch:010d}" / "segments"

    def _versions(self, key_epoch: int) -> Path:
        return self._folder / f"epoch-{key_epoch:010d}" / "versions"

    def _version(self, key_epoch: int, version: int) -> Path:
        return self._versions(key_epoch) / f"{version:010d}"

    def _through(self, key_epoch: int, version: int) -> int:
        return read_header(self._version(key_epoch, version))[1]


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
