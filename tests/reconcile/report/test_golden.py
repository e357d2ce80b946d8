from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import golden_runs
import pytest

from reconcile import sides
from reconcile.matching import few, first, opening, store
from reconcile.model import BreakKind, Mark
from reconcile.report import Result, reconcile

# A changed digest needs a new engine number: two institutions would sign two different reports.
PINNED = {
    "one-default": "781808d9b7ce1a7dd683520b494703e5ef7c013321ac7ee9082220ebb533a40d",
    "one-tolerant": "36510d2d6152e071e038614ee946e06c8418616588e1622f42b8525d86304279",
    "few-default": "2d853b775557062294d9ef94a7868f0c0193c83e8314c9824e7135fd79fd8506",
    "few-tolerant": "d2141aa28450e63bbee196ebe2fedd73f9429e1ff0482e8ebda6af54758b1c92",
    "some-default": "8280c798a85f65e2a26bb6c5d6cb91bf3b4c0b387106e91ac37e5fb7f11ed4ec",
    "some-tolerant": "faa150045014acddde69ad7d7d991c13c52084ffc7ac4142843c2044ded0e313",
    "many-default": "4231ad67cf33d085800a00152966330bcba7bacbd2dbb31563f99e57e9c4e804",
    "many-tolerant": "57c4dd434c06555b11fc601d49e4ae1218e6f7a4f86cd9cc1e459358d7b9b54a",
    "one-guarded": "944c3bcd6d6a9cc09047cf49777c74424a48c9eabdedf2c4854d96f4568ddef9",
    "few-guarded": "e6f3c80a69b3c25787ce14d3164a0e4e2879ed2c9f586314fddc231e878769b3",
    "some-guarded": "feb2c5e90730ccefb488b8ca09e8a57a8ed6c17cd4a9c19cec04e8e4da401d39",
    "many-guarded": "257c143c3aba7dbcaad12195b1699f0fc6762da7d5c82bbf20a3e352e9d722fd",
    "wide30-plain": "dac4b1967cd2a026f46d0ddcf0bbba1b1cf1a9b14f2b14fa8ecc599af7c3b55d",
    "wide30-opted": "62285588e784117907c0464316e8d12a5f667da368b630d25e5f1a60f99656be",
    "wide120-plain": "50029fd80033818f30f93444ad9f084c7dfb73d791fc5cacf0ce9049796d8a32",
    "wide120-opted": "20fc76efb71da1ecf230bb2e0776c2e7316ecc64dde9940db3035d5bff269781",
    "wide300-plain": "c87bbf45f168e092e4e22b84b1159a48af8f64cc5b7dd1b86b5f30d0a0562633",
    "wide300-opted": "8ce5bb90484b05f6ff45816667b3f4d6b37381d962d522cb0bb0ef098770b00c",
}


@pytest.fixture(scope="module")
def reports() -> dict[str, Result]:
    """Every pinned run's report, computed once."""
    return {name: reconcile(run) for name, run in golden_runs.runs()}


def test_the_engine_keeps_its_pinned_digests(reports: dict[str, Result]) -> None:
    """`kanhe/match/1` gives the very bytes it gave when its number was fixed."""
    assert {name: report.digest.hex() for name, report in reports.items()} == PINNED


def test_the_pinned_runs_use_every_pass_shape_reason_mark_and_kind(
    reports: dict[str, Result],
) -> None:
    """What no pinned run shows could drift unseen; PARTY never leads, audits never report."""
    results = list(reports.values())
    rules = {rule for _, run in golden_runs.runs() for rule in run.terms.passes}
    passes = {group.pass_name for result in results for group in result.groups}
    assert passes == {rule.name for rule in rules if rule.confirm != "never"}
    proposed = {item.pass_name for result in results for item in result.proposals}
    assert {rule.name for rule in rules if rule.confirm == "never"} <= proposed
    sizes = {(len(g.servicer) > 1, len(g.owner) > 1) for r in results for g in r.groups}
    assert sizes == {(False, False), (False, True), (True, False), (True, True)}
    breaks = [item for result in results for item in result.breaks]
    audits = {BreakKind.COMMITMENT, BreakKind.LEDGER_ONLY, BreakKind.BOOK_ONLY}
    assert {item.kind for item in breaks} == set(BreakKind) - audits - {BreakKind.PARTY}
    assert BreakKind.PARTY in {kind for item in breaks for kind in item.also}
    assert {mark for item in breaks for mark in item.marks} == set(Mark)
    assert {item.reason for result in results for item in result.proposals} == {
        "AMBIGUOUS",
        "NEVER_CONFIRMED",
        "BUDGET_EXCEEDED",
        "SEARCH_EXHAUSTED",
    }


def test_large_runs_take_another_way_to_the_same_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limits of rows, columns alone settle most and nothing is glanced at: no change."""
    for module in (first, opening, store):
        monkeypatch.setattr(module, "FEW_ROWS", 0)
    monkeypatch.setattr(store, "GLANCE_ROWS", 0)
    monkeypatch.setattr(few, "FEW_PAIRS", 0)
    monkeypatch.setattr(sides, "MANY_ROWS", 0)
    assert golden_runs.digests() == PINNED


def test_runs_at_the_same_time_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that share the idle databases each get the digests of a run alone."""
    monkeypatch.setattr(few, "FEW_PAIRS", 0)
    small = [(name, run) for name, run in golden_runs.runs() if name.startswith(("one", "few"))]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: reconcile(item[1]).digest.hex(), small * 4))
    assert found == [PINNED[name] for name, _ in small] * 4


@pytest.mark.parametrize(
    ("hash_seed", "threads", "pairs"), [("0", "1", "0"), ("1", "2", "0"), ("1", "2", "50000")]
)
def test_another_process_gives_the_same_digests(hash_seed: str, threads: str, pairs: str) -> None:
    """Neither hash seed nor threads change a byte, nor whether small runs are DuckDB's alone."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(Path(golden_runs.__file__)), threads, pairs],
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == PINNED
