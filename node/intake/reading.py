"""One file to import: every row is checked first, then its drafts are made, or none.

    with open_import(source, stated, column_map=…, accept_map=…) as found:
        for refused in found.refusals(): …        # one pass: reasons, counts, no draft kept
        for draft in found.drafts(): …            # a second pass over the same bytes

Memory does not grow with the file but for 16 bytes and a number a row, which find a person listed
twice for the same.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from node.intake import ftm, misp, overdue
from node.intake.columns import ColumnMap
from node.intake.drafts import Checked, Draft, Outcome, Refused, Stated
from node.intake.kinds import Kind, kind_of
from node.intake.rows import OpenFile
from reconcile.model import InputError, Where

_MARK_BYTES: Final = 16


@dataclass(slots=True)
class Summary:
    """What a check found: counts by reason and product, refusals, what was passed over."""

    kind: Kind
    file: str
    file_sha256: str = ""
    column_map: str | None = None
    drafts: int = 0
    refused: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    by_product: Counter[str] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)

    def to_json(self) -> dict[str, object]:
        """Return the counts for a report; nothing of it is of one person."""
        return {
            "file": self.file,
            "file_sha256": self.file_sha256,
            "format": str(self.kind),
            "map": self.column_map,
            "drafts": self.drafts,
            "refused_count": self.refused,
            "passed_over": dict(sorted(self.passed_over.items())),
            "by_reason": dict(sorted(self.by_reason.items())),
            "by_product": dict(sorted(self.by_product.items())),
            "sources": [
                {"source": source, "signed_at_source": signed, "drafts": count}
                for (source, signed), count in sorted(self.sources.items())
            ],
        }

    def count(self, one: Outcome) -> None:
        """Take the next outcome."""
        if isinstance(one, Checked):
            self.drafts += 1
            self.by_reason[str(one.listing.reason)] += 1
            self.by_product[str(one.listing.product)] += 1
            self.sources[one.origin.source, one.origin.signed_at_source] += 1
        elif isinstance(one, Refused):
            self.refused += 1
        else:
            self.passed_over[one.why] += 1


class Import:
    """An open file; made by `open_import`."""

    def __init__(
        self, file: OpenFile, kind: Kind, stated: Stated, layout: overdue.Layout | None,
        column_map: ColumnMap | None,
    ) -> None:  # fmt: skip
        """Take what `open_import` found out."""
        self._file = file
        self._kind = kind
        self._stated = stated
        self._layout = layout
        self._map = column_map
        self._checked: Summary | None = None

    def refusals(self) -> Iterator[Refused]:
        """Read the whole file and yield each refusal; afterwards `summary` says what was found."""
        summary = Summary(self._kind, self._file.name)
        if self._layout is not None:
            summary.column_map = self._layout.map.name
        for one in self._outcomes(b""):
            summary.count(one)
            if isinstance(one, Refused):
                yield one
        summary.file_sha256 = self._file.sha256.hex()
        self._checked = summary

    @property
    def summary(self) -> Summary:
        """Return what a check found, checking now where that was not done."""
        if self._checked is None:
            for _ in self.refusals():
                pass
        assert self._checked is not None, "the refusals were read to their end"
        return self._checked

    def drafts(
        self,
        *,
        partial: bool = False,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Iterator[Draft]:
        """Yield the drafts in order of the file; take all of them in one transaction, or none.

        Raises `InputError` IMPORT_REFUSED where a row was refused and the rest was not asked for
        (`partial`), and IMPORT_CHANGED after the last draft where the file is no longer the one
        that was checked.
        """
        checked = self.summary
        if checked.refused and not partial:
            raise InputError(
                "IMPORT_REFUSED",
                f"{checked.refused} of {checked.drafts + checked.refused} rows are refused, "
                "so nothing was kept",
                where=Where(self._file.name),
                help="mend them (--check lists each), or list the others with --partial",
            )
        for one in self._outcomes(bytes.fromhex(checked.file_sha256)):
            if isinstance(one, Checked):
                yield one.draft(randomness)
        if self._file.sha256.hex() != checked.file_sha256:
            raise InputError(
                "IMPORT_CHANGED",
                "the file changed while it was read",
                where=Where(self._file.name),
                help="import it again once nobody writes it",
            )

    def _outcomes(self, sha256: bytes) -> Iterator[Outcome]:
        seen: dict[bytes, int] = {}
        key = secrets.token_bytes(_MARK_BYTES)
        for one in self._read(sha256):
            if not isinstance(one, Checked):
                yield one
                continue
            mark = _mark(one, key)
            first = seen.setdefault(mark, one.line)
            yield one if first == one.line else _twice(one.line, first)

    def _read(self, sha256: bytes) -> Iterator[Outcome]:
        if self._kind is Kind.OVERDUE:
            assert self._layout is not None, "an overdue list has a layout"
            return overdue.read_rows(self._file, self._layout, self._stated, sha256)
        words = {} if self._map is None else self._map.words["reason"]
        if self._kind is Kind.MISP:
            return misp.read_events(self._file, self._stated, words)
        return ftm.read_entities(self._file, self._kind, self._stated, words)


@contextmanager
def open_import(
    source: Path | BinaryIO,
    stated: Stated,
    *,
    column_map: ColumnMap | None = None,
    accept_map: bool = False,
    kind: Kind | None = None,
) -> Iterator[Import]:
    """Open a file, or take an open one, and find out what it is.

    Raises `OutsideError` FILE_UNREADABLE, `InputError` HEADER_UNKNOWN, MAP_MISMATCH,
    COLUMN_MAP_UNCONFIRMED, MISP_MALFORMED or FTM_MALFORMED.
    """
    if column_map is not None:
        stated = replace(stated, facts=stated.facts.over(column_map.given))
    with OpenFile(source) as file:
        chosen = kind or kind_of(file)
        layout = None
        if chosen is Kind.OVERDUE:
            layout = overdue.find_layout(file, column_map)
            stated = replace(stated, facts=stated.facts.over(layout.map.given))
            overdue.require_accepted(file, layout, stated, accepted=accept_map)
        yield Import(file, chosen, stated, layout, column_map)


def _mark(one: Checked, key: bytes) -> bytes:
    """Return a keyed hash of person and cause; the key dies with the pass."""
    listing = one.listing
    cause = f"|{listing.reason}|{listing.product}|{listing.event_month}".encode()
    return hashlib.blake2b(
        one.identifier.prf_input + cause, key=key, digest_size=_MARK_BYTES
    ).digest()


def _twice(line: int, first: int) -> Refused:
    return Refused(
        line,
        "identifier",
        "ROW_TWICE",
        f"the person is listed for the same in line {first}",
        "keep one of the two rows",
    )
