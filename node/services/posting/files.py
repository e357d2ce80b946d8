"""Importing files: whole, or refused whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from node.agreements import require_active, require_side, require_standing
from node.books import Book, book_of
from node.services.posting import reading
from node.services.posting.base import Base
from node.services.posting.importing import Source, known_file, take_book
from node.services.posting.views import ImportOptions, ImportResult, ImportView, Rejected
from node.services.posting.watching import Watch
from reconcile.model import Side, StatementFile
from reconcile.report.memory import no_collection
from reconcile.statements import open_statement


class Files(Base):
    """Imports, and the folder that is watched."""

    # Many values and no cycles, whoever calls: a collector's passes cost more than the reading.
    @no_collection()
    def import_file(
        self,
        agreement: bytes,
        path: Path,
        *,
        side: Side | None = None,
        window: int | None = None,
        options: ImportOptions | None = None,
        actor: str = "node",
        **words: str | bool | None,
    ) -> ImportResult:
        """Take a statement or ledger file whole, or refuse it whole.

        `options`, or its fields as keywords, say how to read it. Raises `InputError` and
        `UsageError` of the readers, and what `take_book` raises; BACK_PRESSURE when the queue
        is full.
        """
        chosen = options or ImportOptions(**words)  # type: ignore[arg-type]
        opened = open_statement(
            path,
            profile=chosen.profile,
            perspective=chosen.perspective,
            currency=chosen.currency,
            lenient=chosen.lenient,
            accept_map=chosen.accept_map,
            own=(*chosen.own, *self.own_profiles()),
        )
        named = chosen.perspective is not None
        with opened as read:
            source = Source.of(read, path, lenient=chosen.lenient)
            book = book_of(read, source.name, account=chosen.account)
        return self._take(agreement, book, source, side, window, actor, perspective_named=named)

    def import_statement(
        self,
        agreement: bytes,
        statement: StatementFile,
        source: str,
        *,
        side: Side | None = None,
        window: int | None = None,
        account: str | None = None,
        actor: str = "node",
    ) -> ImportResult:
        """Take a statement file that was read already; `source` names it."""
        described = Source(
            name=source,
            sha256=bytes.fromhex(statement.file_sha256),
            size_bytes=0,
            format=statement.format,
            profile=statement.profile,
            lenient=False,
            contradictions=tuple(
                item for part in statement.statements for item in part.contradictions
            ),
        )
        book = book_of(statement, described.name, account=account)
        return self._take(agreement, book, described, side, window, actor)

    def _take(
        self,
        agreement: bytes,
        book: Book,
        source: Source,
        side: Side | None,
        window: int | None,
        actor: str,
        *,
        perspective_named: bool = False,
    ) -> ImportResult:
        with self._writing() as session:
            facts = self._facts(session, agreement)
            chosen = require_side(facts, side)
            require_active(facts)
            require_standing(session, self._identity.member(session))
            self._require_room(session, len(book.entries))
            again = known_file(session, agreement, chosen, source.sha256)
            result = take_book(
                session,
                facts,
                chosen,
                book,
                source,
                window=window,
                now_ms=self._identity.clock(),
                perspective_named=perspective_named,
            )
            if again is None:
                self._act(
                    session,
                    actor,
                    "import",
                    agreement.hex(),
                    side=chosen.word,
                    file_sha256=source.sha256.hex(),
                    queued=str(result.queued),
                    already=str(result.already),
                )
            return result

    def watch(
        self,
        folder: Path,
        agreement: bytes,
        *,
        side: Side | None = None,
        once: bool = False,
        stop: threading.Event | None = None,
        options: ImportOptions | None = None,
        actor: str = "node",
    ) -> Iterator[ImportResult | Rejected]:
        """Take what is dropped into a folder; yields one answer a file."""
        looking = Watch(
            folder,
            lambda path: self.import_file(agreement, path, side=side, options=options, actor=actor),
        )
        if once:
            yield from looking.look(settled=True)
        else:
            yield from looking.run(stop or threading.Event())

    def imports(self, agreement: bytes | None = None) -> tuple[ImportView, ...]:
        """Return imported files, newest first."""
        with self._reading() as session:
            return reading.import_views(session, agreement)
