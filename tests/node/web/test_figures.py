"""/metrics: every figure is fed, labelled, and shown to whom it may concern."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from desk_town import Reader, Replica, Town, reader_of, served
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from node.tables import Cursor, Incident, Intent, NonceLane, RunBreak, StreamState
from node.web.app import WebSettings

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


@pytest.fixture
def watcher(reader: Reader) -> Iterator[httpx.Client]:
    """A scraper with an API token."""
    found = re.search(r"kanhe_[0-9a-f]{64}", reader.post("/me/tokens", 200, label="scraper"))
    assert found
    headers = {"authorization": f"Bearer {found.group(0)}"}
    with httpx.Client(base_url=reader.base, headers=headers, timeout=30) as client:
        yield client


def scrape(watcher: httpx.Client) -> Samples:
    """Return every sample by name and labels, as a scraper parses them."""
    answer = watcher.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("institution") == "firm"
            found.setdefault(sample.name, {})[tuple(sorted(labels.items()))] = sample.value
    return found


def test_the_figures_are_those_of_the_rows(
    watcher: httpx.Client, replica: Replica, town: Town
) -> None:
    """Outbox, head, lanes, batches, entries and breaks by kind and age are what stands in rows."""
    found = scrape(watcher)
    with replica.database.reading() as session:
        cursor = session.get_one(Cursor, 1)
        batches, entries = session.execute(
            select(func.sum(StreamState.batch_count), func.sum(StreamState.entry_count))
        ).one()
        lanes = {f"0x{lane.hex()}" for lane in session.scalars(select(NonceLane.address))}
        kinds = {str(kind) for kind in session.scalars(select(RunBreak.kind).distinct())}
        # Whatever ran on the shared network before may have left a call that is not final yet.
        unfinished = session.scalar(
            select(func.count()).select_from(Intent).where(Intent.state.not_in(("DONE", "REFUSED")))
        )
    none = ()
    assert found["kanhe_outbox_depth"][none] == unfinished
    assert found["kanhe_follower_lag_blocks"][none] == cursor.head_block - cursor.block_number
    assert found["kanhe_head_age_s"][none] == pytest.approx(
        replica.now_ms / 1000 - cursor.head_time_s, abs=0.01
    )
    assert sum(found["kanhe_batches"].values()) == batches
    assert found["kanhe_entries"][none] == entries
    assert {dict(key)["lane"] for key in found["kanhe_lane_gap"]} == lanes
    shown = {dict(key)["kind"] for key in found["kanhe_breaks_open"]}
    assert shown
    assert shown <= kinds
    assert {dict(key)["age"] for key in found["kanhe_breaks_open"]} <= {"0", "1", "2-5", "6-20"}
    assert town.firm.metrics is not town.bank.metrics


def test_the_counters_moved_while_the_network_ran(watcher: httpx.Client) -> None:
    """What was sent, confirmed and matched over two days was observed."""
    found = scrape(watcher)
    assert found["kanhe_sends_total"][(("outcome", "taken"),)] > 5
    assert found["kanhe_confirm_s_count"][()] > 5
    assert found["kanhe_confirm_s_sum"][()] > 0
    assert found["kanhe_match_s_count"][()] > 0


def test_what_waits_is_measured(watcher: httpx.Client, replica: Replica) -> None:
    """A waiting call's age, a held one and an open incident show at the next scrape."""
    before = scrape(watcher)
    with replica.sessions.begin() as session:
        for number, state in enumerate(("WAITING", "HELD")):
            session.add(
                Intent(
                    kind="close",
                    subject=f"test/{number}",
                    lane_key="registry",
                    contract="Ledger",
                    call="closeWindow",
                    calldata=b"",
                    state=state,
                    created_at_ms=replica.now_ms - 86_400_000,
                )
            )
        session.add(
            Incident(
                kind="CLOCK",
                fingerprint="test/clock",
                says="skew",
                evidence={},
                stops_signing=False,
                opened_at_ms=replica.now_ms,
            )
        )
    found = scrape(watcher)

    def grown(figure: str, labels: tuple[tuple[str, str], ...] = ()) -> float:
        return found[figure][labels] - before[figure].get(labels, 0)

    assert grown("kanhe_outbox_depth") == 2
    assert found["kanhe_outbox_oldest_s"][()] == 86_400
    assert grown("kanhe_held", (("what", "calls"),)) == 1
    assert grown("kanhe_incidents_open") == 1


def test_a_token_shows_its_own_institution_only(replica: Replica, town: Town) -> None:
    """Of two institutions at one desk the scraper sees the one whose token it sends."""
    nodes = {"firm": replica, "bank": town.bank}
    with reader_of(replica, "viewer", login="vera") as viewer:
        token = re.search(r"kanhe_[0-9a-f]{64}", viewer.post("/me/tokens", 200, label="s"))
    assert token
    headers = {"authorization": f"Bearer {token.group(0)}"}
    with served(nodes) as base:
        text = httpx.get(f"{base}/metrics", headers=headers).text
    assert 'institution="firm"' in text
    assert 'institution="bank"' not in text


def test_metrics_can_be_switched_off(replica: Replica) -> None:
    """Where the settings say so there is no such page."""
    with served({"firm": replica}, WebSettings(metrics=False)) as base:
        assert httpx.get(f"{base}/metrics").status_code == 404


def test_ready_says_why_not(replica: Replica, reader: Reader) -> None:
    """/readyz answers 503 with the reason: signing stopped, chain stalled, database gone."""
    with replica.sessions.begin() as session:
        session.get_one(Cursor, 1).seen_at_ms = replica.now_ms
        session.get_one(Cursor, 1).head_time_s = replica.now_ms // 1_000
    fine = httpx.get(f"{reader.base}/readyz")
    assert (fine.status_code, fine.json()["ok"]) == (200, True)
    with replica.sessions.begin() as session:
        session.add(
            Incident(
                kind="HEAD_DIFFERS",
                fingerprint="test/stop",
                says="stop",
                evidence={},
                stops_signing=True,
                opened_at_ms=replica.now_ms,
            )
        )
    stopped = httpx.get(f"{reader.base}/readyz")
    assert stopped.status_code == 503
    assert stopped.json()["institutions"]["firm"]["reason"].startswith("signing has stopped")
    assert httpx.get(f"{reader.base}/healthz").status_code == 200
