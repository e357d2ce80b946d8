"""What the engine refuses is the window's state, with what to do, until a run goes through."""

from __future__ import annotations

import json
import time

import pytest

from node.cli import main
from node.web.read.parties import load_agreements
from node.web.read.windows import load_window
from reconcile.matching import candidates, few
from tests.node.services.conftest import WINDOW, Pair, entry


def test_a_window_that_the_engine_refuses_says_so_everywhere(
    pair: Pair,
    agreement: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """CANDIDATES_EXPLODE stands as state, incident and note; mended, it closes by itself."""
    node = pair.servicer
    monkeypatch.setattr(candidates, "MAX_CELLS", 0)
    monkeypatch.setattr(few, "FEW_PAIRS", 0)
    for side, name in zip(pair.nodes, "so", strict=True):
        given = [entry(name, 100, counterparty_account="990000000001")]
        side.posting.queue_entries(agreement, given, window=WINDOW)
    pair.settle()
    status = node.reconciliation.window_status(agreement, WINDOW)
    assert status.state == "NOT_COMPUTED"
    assert status.refusal is not None
    assert "[CANDIDATES_EXPLODE]" in status.refusal
    assert "What to do: give the passes" in status.refusal
    with node.database.reading() as session:
        view = next(
            item
            for item in load_agreements(session, node.member, node.name)
            if item.agreement == agreement
        )
        shown = load_window(session, view, WINDOW, node.identity.clock())
        assert (shown.state, shown.refusal, shown.needs_us) == (
            "NOT_COMPUTED",
            status.refusal,
            True,
        )
    monkeypatch.setenv("KANHE_DATABASE_URL", node.settings.database_url)
    words = ["status", "-a", agreement.hex(), "--home", str(node.home)]
    assert main([*words, "--json"]) == 0
    rows = json.loads(capsysbinary.readouterr().out)["windows"]
    assert {row["state"] for row in rows if row["window"] == str(WINDOW)} == {"NOT_COMPUTED"}
    assert main(words) == 0
    assert b"CANDIDATES_EXPLODE" in capsysbinary.readouterr().err

    monkeypatch.setattr(candidates, "MAX_CELLS", 100_000_000)
    node.reconciliation._refused_until_ms.clear()
    for _ in range(500):
        pair.settle()
        status = node.reconciliation.window_status(agreement, WINDOW)
        if status.refusal is None:
            break
        # A run that took long rests as long.
        time.sleep(0.02)
    assert (status.state, status.refusal, status.matched_groups) == ("PROVISIONAL", None, 1)
