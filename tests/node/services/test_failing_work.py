"""One agreement's matching fails: its posting, the others and the node itself go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select

from node.bootstrap import Node
from node.tables import Incident, MatchRun, PostedEntry
from tests.node.services.conftest import WINDOW, Pair, entry

ACCOUNT = "6222-0000-9999"


def runs(node: Node, agreement: bytes) -> int:
    """Return how many runs of an agreement's day there are."""
    with node.database.reading() as session:
        where = (MatchRun.agreement == agreement, MatchRun.window == WINDOW)
        return len(session.scalars(select(MatchRun.id).where(*where)).all())


def until(pair: Pair, done: Callable[[], object]) -> None:
    """Let the other node take turns while the servicer runs in its own thread."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "it did not go on"
        pair.owner.step()
        time.sleep(0.02)


def test_a_window_that_fails_stops_nothing_else(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault becomes an incident without its words; mended, it goes through by itself."""
    broken, healthy = pair.agreement(), pair.agreement()
    node = pair.servicer
    match_new = node.reconciliation.match_new

    def failing(agreement: bytes) -> None:
        if agreement == broken:
            raise KeyError(ACCOUNT)
        match_new(agreement)

    monkeypatch.setattr(node.reconciliation, "match_new", failing)
    stop = threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,), daemon=True)
    thread.start()
    try:
        for agreement in (broken, healthy):
            node.posting.queue_entries(agreement, [entry("s1", 100, e2e="E2E-1")], window=WINDOW)
            pair.owner.posting.queue_entries(
                agreement, [entry("o1", 100, e2e="E2E-1")], window=WINDOW
            )
        until(pair, lambda: runs(node, healthy))
        until(pair, lambda: _says(node, broken))
        assert runs(node, broken) == 0
        assert all("KeyError" in says and ACCOUNT not in says for says in _says(node, broken))
        node.posting.queue_entries(broken, [entry("s2", 100)], window=WINDOW)
        until(pair, lambda: "s2" in _posted(pair.owner, broken))
        monkeypatch.setattr(node.reconciliation, "match_new", match_new)
        until(pair, lambda: runs(node, broken))
        until(pair, lambda: not _says(node, broken))
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(timeout=20)


def test_a_fault_outside_of_any_work_does_not_end_the_node(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a turn that fails as a whole is kept, rests and comes again."""
    node = pair.servicer
    step, failed = node.step, threading.Event()

    def failing() -> object:
        if not failed.is_set():
            failed.set()
            raise RuntimeError(ACCOUNT)
        return step()

    monkeypatch.setattr(node, "step", failing)
    stop = threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,), daemon=True)
    thread.start()
    try:
        until(pair, failed.is_set)
        until(pair, lambda: _turns(node) == ["it went through by itself, after 1 failures"])
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(timeout=20)


def _turns(node: Node) -> list[str | None]:
    with node.database.reading() as session:
        where = Incident.fingerprint.startswith("WORK_FAILED/a turn/")
        return list(session.scalars(select(Incident.closed_reason).where(where)))


def _says(node: Node, agreement: bytes) -> list[str]:
    with node.database.reading() as session:
        where = (
            Incident.kind == "WORK_FAILED",
            Incident.agreement == agreement,
            Incident.closed_at_ms.is_(None),
        )
        return list(session.scalars(select(Incident.says).where(*where)))


def _posted(node: Node, agreement: bytes) -> set[str]:
    with node.database.reading() as session:
        where = PostedEntry.agreement == agreement
        return set(session.scalars(select(PostedEntry.entry_ref).where(where)))
