"""The proof service: reads only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from node.agreements import Facts, facts_of, require_side
from node.books import book_of
from node.crypto.bundle import file_bytes
from node.db import Database, translated
from node.identity import Identity
from node.services.proofs import exporting
from node.services.proofs.auditing import audit_book
from node.services.proofs.views import AuditResult
from node.tables import Batch
from reconcile.model import Side
from reconcile.statements import Profile, read_statement

KeyOf = Callable[[Session, bytes, int, int], bytes | None]


class ProofService:
    """Exports proofs and audits the own book."""

    def __init__(self, database: Database, identity: Identity, *, key_of: KeyOf) -> None:
        self._database = database
        self._identity = identity
        self._key_of = key_of

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Session]:
        with translated(), self._database.reading() as session:
            yield session

    def _facts(self, session: Session, agreement: bytes) -> Facts:
        return facts_of(session, agreement, self._identity.member(session))

    def bundle(self, agreement: bytes, window: int) -> dict[str, object]:
        """Return an agreed window's report bundle: report, groups, both signatures."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            return exporting.bundle_of(session, self._identity, facts, window)

    def write_bundle(self, agreement: bytes, window: int, out: Path) -> Path:
        """Write a report bundle in the one form `kanhe verify` reads."""
        out.write_bytes(file_bytes(self.bundle(agreement, window)))
        return out

    def record_proof(
        self,
        agreement: bytes,
        side: Side,
        entry_ref: str,
        *,
        version: int | None = None,
        window: int,
        with_report: bool = False,
    ) -> dict[str, object]:
        """Return the proof that a side's signed stream holds one entry; it discloses that alone."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            entry = exporting.find_entry(session, agreement, side, entry_ref, version)
            batch = session.get_one(Batch, (agreement, int(side), entry.seq))
            return exporting.record_proof_of(
                session,
                self._identity,
                facts,
                side,
                entry_ref,
                version=version,
                window=window,
                key=self._key_of(session, agreement, int(side), batch.epoch),
                with_report=with_report,
            )

    def stream(self, agreement: bytes, side: Side, window: int) -> dict[str, object]:
        """Return a side's sealed stream from its first batch to an agreed window's closing."""
        with self._reading() as session:
            facts = self._facts(session, agreement)
            return exporting.stream_of(session, self._identity, facts, side, window)

    def audit(
        self,
        agreement: bytes,
        book: Path,
        *,
        side: Side | None = None,
        profile: str | None = None,
        perspective: str | None = None,
        currency: str | None = None,
        lenient: bool = False,
        accept_map: bool = False,
        account: str | None = None,
        own: Sequence[Profile] = (),
    ) -> AuditResult:
        """Compare the own core book with the own posted records, over the days it covers."""
        read = read_statement(
            book,
            profile=profile,
            perspective=perspective,
            currency=currency,
            lenient=lenient,
            accept_map=accept_map,
            own=own,
        )
        chosen = book_of(read, book.name, account=account)
        with self._reading() as session:
            facts = self._facts(session, agreement)
            return audit_book(session, agreement, require_side(facts, side), chosen)
