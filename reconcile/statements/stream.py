"""A statement file as a stream: checked as a whole, held a piece at a time.

Strict promises that nothing of a contradictory file is used, so all of it is read before the first
entry is given. What was read waits in a temporary file meanwhile (`store`); a camt file of any
size takes the same memory, but for sixteen bytes an entry. Other formats are read in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from reconcile.model import StatementFile
from reconcile.statements.assemble import Row, Settled, settle
from reconcile.statements.camt import Source, read_camt
from reconcile.statements.drafts import Draft, Drafts, FileDraft, Findings
from reconcile.statements.reading import (
    ReadOptions,
    check_words,
    draft_of,
    head_of,
    is_camt,
    open_file,
    read_whole,
    settling,
)
from reconcile.statements.store import Spool, Store
from reconcile.statements.survey import Survey
from reconcile.statements.texts import clean_draft


@dataclass(slots=True)
class StatementStream:
    """One file's statements; their rows can be read until it is closed."""

    format: str
    profile: str | None
    file_sha256: str
    statements: tuple[Settled, ...]
    turnable: bool = False
    _spool: Spool = field(default_factory=Spool)

    def build(self) -> StatementFile:
        """Return the whole file in memory."""
        built = tuple(one.build() for one in self.statements)
        return StatementFile(self.format, self.profile, self.file_sha256, built, self.turnable)

    def close(self) -> None:
        """Let the temporary file go."""
        self._spool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def open_statement(path: Path, **options: Unpack[ReadOptions]) -> StatementStream:
    """Read and check a statement file of any size; close what it returns.

    Raises what `read_statement` raises, and OutsideError SPOOL_FAILED when the temporary folder
    is full.
    """
    check_words(path.name, options)
    if not is_camt(head_of(path), path.name, options):
        draft = draft_of(read_whole(path), path.name, options)
        parts = settle(draft, **settling(options))
        return StatementStream(draft.format, draft.profile, draft.sha256, parts, draft.turnable)
    spool = Spool()
    try:
        return _open_camt(path, spool, **settling(options))
    except BaseException:
        spool.close()
        raise


def _open_camt(path: Path, spool: Spool, *, currency: str | None, lenient: bool) -> StatementStream:
    surveys: list[Survey] = []
    stores: list[Store[Draft]] = []

    def keep(findings: Findings) -> Drafts:
        survey = Survey()
        surveys.append(survey)

        def see(drafts: Iterable[Draft]) -> None:
            for one in drafts:
                clean_draft(one, findings)
            survey.add(drafts)

        stores.append(Store(spool, Draft, see))
        return stores[-1]

    draft = FileDraft(path.name, "camt", drafts=keep)
    with open_file(path) as file:
        source = HashingSource(file)
        read_camt(source, draft)
        draft.sha256 = source.digest()
    for store in stores:
        store.finish()
    parts = settle(
        draft,
        currency=currency,
        lenient=lenient,
        surveys=surveys,
        rows=lambda: Store(spool, Row),
    )
    return StatementStream(draft.format, None, draft.sha256, parts, _spool=spool)


class HashingSource:
    """Reads on and hashes what was read."""

    def __init__(self, source: Source) -> None:
        """Take where the bytes come from."""
        self._source = source
        self._hash = sha256()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Return the hash of the whole source, in hex; what was not read yet is read now."""
        while self.read(1 << 20):
            pass
        return self._hash.hexdigest()
