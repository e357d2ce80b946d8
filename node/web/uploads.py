"""Files that a person uploads: their names, and where one waits until it is taken.

A file keeps its own name, because a name may tell what the bytes do not: UnionPay's lines have no
year, their file's name has. One file of a person waits at a time; the next one replaces it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from reconcile.model import UsageError

TOKEN: Final = re.compile(r"[0-9a-f]{64}-[0-9a-f]{64}")
CHUNK: Final = 1 << 20
MAX_NAME: Final = 100
MAX_SUFFIX: Final = 9


@dataclass(frozen=True, slots=True)
class Waiting:
    """One file that waits: `token` finds it again, for the same person alone."""

    path: Path
    token: str
    sha256: str

    def drop(self) -> None:
        """Let the file go."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def upload_name(given: str | None) -> str:
    """Return a name that any file system takes; what a client calls its file is only a hint."""
    name = Path((given or "").replace("\\", "/")).name
    name = "".join(part for part in name if part.isprintable()).strip(". ")
    stem, suffix = Path(name).stem, Path(name).suffix
    if len(suffix) > MAX_SUFFIX:
        stem, suffix = name, ""
    # File systems count bytes, and most take 255.
    short = stem.encode()[:MAX_NAME].decode(errors="ignore")
    return f"{short or 'statement'}{suffix}"


class Shelf:
    """One person's place in the desk's upload folder."""

    def __init__(self, uploads: Path, slug: str, person_id: int) -> None:
        """Take the folder, the institution and its person: numbers of persons are each node's."""
        self._folder = uploads / f"{slug}-{person_id}"

    def put(self, file: BinaryIO, given: str | None) -> Waiting:
        """Write an upload and let go what waited before."""
        name = upload_name(given)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        partial = self._folder / f"partial-{secrets.token_hex(16)}"
        digest = hashlib.sha256()
        try:
            with partial.open("xb") as out:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
            # The name is part of the token: it may decide how the bytes are read.
            token = f"{digest.hexdigest()}-{hashlib.sha256(name.encode()).hexdigest()}"
            for old in self._folder.iterdir():
                if TOKEN.fullmatch(old.name):
                    shutil.rmtree(old, ignore_errors=True)
            place = self._folder / token
            place.mkdir(mode=0o700, exist_ok=True)
            return Waiting(partial.replace(place / name), token, digest.hexdigest())
        finally:
            partial.unlink(missing_ok=True)

    def find(self, token: str) -> Waiting:
        """Return the file that waits; `UsageError` UPLOAD_GONE."""
        place = self._folder / token
        # The token comes from a form: only its own shape ever becomes a path.
        if TOKEN.fullmatch(token) and place.is_dir():
            for path in place.iterdir():
                return Waiting(path, token, token.partition("-")[0])
        raise UsageError(
            "UPLOAD_GONE", "the uploaded file is no longer there", help="choose it again"
        )
