"""Work that fails stops no other work: it becomes an incident and is tried again, with back-off.

The chain or the database failing is for the turn, which comes again. Everything else, a fault of
this program or a refusal that nobody asked for, concerns one window or agreement: the node goes on
with all others. The incident names the kind of fault and the place in the program, never the
fault's own words, which may quote an account or a name.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.db import Database, translated
from node.errors import ChainError, DatabaseError, WrongChain
from node.tables import Incident
from node.telemetry import logger
from reconcile.model import KanheError

KIND: Final = "WORK_FAILED"
FIRST_PAUSE_MS: Final = 1_000
MAX_PAUSE_MS: Final = 300_000
MAX_FRAMES: Final = 12
ROOT: Final = Path(__file__).resolve().parent.parent
OURS: Final = frozenset({"node", "reconcile", "devnet"})
_log = logger("work")


@dataclass(slots=True)
class _Failing:
    """How often a piece of work failed in a row, and when it is tried again."""

    times: int
    wake_at_ms: int


class Attempts:
    """Does pieces of work by name; one that fails rests, the others go on."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._failing: dict[str, _Failing] = {}
        self._proven: set[str] = set()
        self._first: Callable[[], None] = _nothing

    @contextlib.contextmanager
    def letting_go_first(self, first: Callable[[], None]) -> Iterator[None]:
        """Call `first` before each piece of work meanwhile; for one thread."""
        self._first = first
        try:
            yield
        finally:
            self._first = _nothing

    def run(self, name: str, work: Callable[[], int], *, agreement: bytes | None = None) -> int:
        """Do a piece of work and return its answer; 0 while it fails or rests.

        Raises `DatabaseError`, `ChainError` and `WrongChain`: no other work would go through.
        """
        key = f"{name}/{'' if agreement is None else agreement.hex()}"
        failing = self._failing.get(key)
        if failing is not None and self._clock() < failing.wake_at_ms:
            return 0
        self._first()
        try:
            answer = work()
        except (ChainError, DatabaseError, WrongChain):
            raise
        except Exception as fault:  # noqa: BLE001 - the fault is kept, shown and tried again
            self._failed(key, name, agreement, fault)
            return 0
        if failing is not None or key not in self._proven:
            self._went_through(key, 0 if failing is None else failing.times)
        return answer

    def fault(self, name: str, fault: Exception) -> float:
        """Keep what went wrong outside of any named work; return how long to rest, in seconds."""
        key = f"{name}/"
        self._failed(key, name, None, fault)
        return max(0, self._failing[key].wake_at_ms - self._clock()) / 1000

    def recovered(self, name: str) -> None:
        """Close what `fault` opened: it went through."""
        failing = self._failing.get(f"{name}/")
        if failing is not None:
            self._went_through(f"{name}/", failing.times)

    def _failed(self, key: str, name: str, agreement: bytes | None, fault: Exception) -> None:
        before = self._failing.get(key)
        times = 1 if before is None else before.times + 1
        pause_ms = min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** min(times - 1, 16))
        self._failing[key] = _Failing(times, self._clock() + pause_ms)
        frames = places(fault)
        kind = fault.code if isinstance(fault, KanheError) else type(fault).__name__
        _log.error("work failed", work=name, fault=kind, at=frames[-1:], times=times)
        says = (
            f"{name} failed: {kind} at {frames[-1] if frames else 'an unknown place'}. All other "
            "work goes on; this is tried again by itself. Report it with the place."
        )
        with contextlib.suppress(DatabaseError):
            self._keep(key, agreement, says, {"fault": kind, "places": frames, "times": str(times)})

    def _keep(self, key: str, agreement: bytes | None, says: str, evidence: dict[str, Any]) -> None:
        with translated(), self._database.writing.begin() as session:
            row = _open_incident(session, key)
            if row is None:
                row = Incident(
                    kind=KIND,
                    fingerprint=f"{_prefix(key)}{self._clock()}",
                    agreement=agreement,
                    stops_signing=False,
                    opened_at_ms=self._clock(),
                )
                session.add(row)
            row.says, row.evidence = says, evidence

    def _went_through(self, key: str, times: int) -> None:
        """Close the incident of work that goes through now; one of an earlier process too."""
        with translated(), self._database.reading() as session:
            stands = _open_incident(session, key) is not None
        if stands:
            with translated(), self._database.writing.begin() as session:
                row = _open_incident(session, key)
                if row is not None:
                    row.closed_at_ms = self._clock()
                    row.closed_reason = f"it went through by itself, after {times} failures"
        self._failing.pop(key, None)
        self._proven.add(key)


def _nothing() -> None:
    pass


def _prefix(key: str) -> str:
    return f"{KIND}/{key}/"


def _open_incident(session: Session, key: str) -> Incident | None:
    found: Any = session.scalars(
        select(Incident).where(
            Incident.kind == KIND,
            Incident.fingerprint.startswith(_prefix(key), autoescape=True),
            Incident.closed_at_ms.is_(None),
        )
    ).first()
    return found if isinstance(found, Incident) else None


def places(fault: BaseException) -> list[str]:
    """Return where a fault arose in this program, outermost first: file, line and function."""
    found = []
    for frame in traceback.extract_tb(fault.__traceback__):
        path = Path(frame.filename)
        inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path()
        if inside.parts[:1] and inside.parts[0] in OURS:
            found.append(f"{inside}:{frame.lineno} {frame.name}")
    return found[-MAX_FRAMES:]
