"""`kanhe watch DIR`: what a core system or SFTP drops is taken; done/, rejected/ with the reason.

A file is taken once its size and time have not changed since the last look, so that one that is
still being written is left alone. Names that begin with a dot or end in .part or .tmp are skipped.
A file is moved only after its entries are kept; a crash between the two imports it again, and
the import recognises it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.services.posting.views import ImportResult, Rejected
from reconcile.model import InputError, KanheError, UsageError

DONE: Final = "done"
REJECTED: Final = "rejected"
UNFINISHED: Final = (".part", ".tmp", ".filepart")
LOOK_EVERY_S: Final = 1.0
Take = Callable[[Path], ImportResult]


@dataclass
class Watch:
    """One folder that is watched."""

    folder: Path
    take: Take
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no folder (`UsageError` FOLDER_NOT_FOUND); make done/ and rejected/."""
        if not self.folder.is_dir():
            raise UsageError(
                "FOLDER_NOT_FOUND", f"{self.folder} is no folder", help="make it, then watch it"
            )
        for name in (DONE, REJECTED):
            (self.folder / name).mkdir(exist_ok=True)

    def look(self, *, settled: bool) -> Iterator[ImportResult | Rejected]:
        """Take every file that stands still; `settled` takes what is there without waiting."""
        for path in sorted(self.folder.iterdir()):
            if not path.is_file() or path.name.startswith("."):
                continue
            if path.suffix.lower() in UNFINISHED:
                continue
            facts = path.stat()
            mark = (facts.st_size, facts.st_mtime_ns)
            if not settled and self._seen.get(path) != mark:
                self._seen[path] = mark
                continue
            self._seen.pop(path, None)
            yield self._take(path)

    def run(self, stop: threading.Event) -> Iterator[ImportResult | Rejected]:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            yield from self.look(settled=False)
            stop.wait(LOOK_EVERY_S)

    def _take(self, path: Path) -> ImportResult | Rejected:
        try:
            result = self.take(path)
        except (InputError, UsageError) as error:
            # The file is wrong, for good. What may pass (disk, database) leaves it where it is.
            return self._reject(path, error)
        _move(path, self.folder / DONE)
        return result

    def _reject(self, path: Path, error: KanheError) -> Rejected:
        moved = _move(path, self.folder / REJECTED)
        reason = moved.with_name(moved.name + ".reason.json")
        body = json.dumps({"error": error.to_json()}, ensure_ascii=False, indent=1)
        reason.write_text(body + "\n", encoding="utf-8")
        return Rejected(path.name, error.code, error.message, reason)


def _move(path: Path, folder: Path) -> Path:
    """Move a file into a folder; one of the same name there is kept beside it."""
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}.{number}{path.suffix}"
    path.rename(target)
    return target
