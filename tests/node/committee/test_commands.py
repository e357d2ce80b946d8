"""`kanhe peer | committee | blacklist lookup`: the commands themselves, beside running nodes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from committee_town import OUTSIDER, PHRASE, Town
from listed_people import person_of
from sqlalchemy import select

from node.cli import main
from node.screening.explaining import explain_receipt
from node.tables import AuditRow

READER = 1
Says = Callable[..., Any]


@pytest.fixture
def says(
    indexed: Town,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Says:
    """A member's command line: its answer as JSON."""
    (tmp_path / "phrase").write_text(PHRASE + "\n")
    monkeypatch.setenv("KANHE_PASSPHRASE_FILE", str(tmp_path / "phrase"))

    def command(member: int, *words: str, code: int = 0) -> Any:  # noqa: ANN401 - any JSON
        capsys.readouterr()
        home = str(indexed.node(member).home)
        found = main([*words, "--home", home, "--json", "-"])
        out, err = capsys.readouterr()
        assert found == code, out + err
        return json.loads(out)

    return command


@contextlib.contextmanager
def turning(town: Town) -> Iterator[None]:
    """Let the town's nodes take their turns, as running ones do, while a command waits."""
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            town.turn()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def test_peers_are_listed_called_and_let_in(
    indexed: Town, says: Says, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pinned by the file that the other's command wrote, taken back and pinned again, on record."""
    before = says(READER, "peer", "list")["peers"]
    assert [item["member"] for item in before] == ["2", "3", "4"]
    assert says(READER, "peer", "ping", "2") == {"member": "2", "takes_us_for": "1"}
    file = tmp_path / "peer.pem"
    shown = says(OUTSIDER, "peer", "show", "--out", str(file))
    assert shown["certificate"] == file.read_text()
    assert says(READER, "peer", "unpin", str(OUTSIDER)) == {"member": str(OUTSIDER)}
    gone = says(READER, "peer", "ping", str(OUTSIDER), code=2)["error"]
    assert gone["code"] == "PEER_UNKNOWN"
    pinned = says(READER, "peer", "pin", str(file), "--url", indexed.urls[OUTSIDER])
    assert pinned["fingerprint"] == shown["fingerprint"]
    assert says(READER, "peer", "list")["peers"] == before
    assert says(READER, "peer", "ping", str(OUTSIDER))["takes_us_for"] == "1"
    with indexed.node(READER).sessions() as session:
        acts = session.scalars(select(AuditRow).where(AuditRow.act.like("peer %"))).all()
    assert [row.act for row in acts[-2:]] == ["peer unpin", "peer pin"]
    assert all(row.actor.startswith("cli:") for row in acts[-2:])
    file.write_text("no certificate")
    for words, code, exit_code in [
        (("certify",), "TLS_EXISTS", 2),
        (("unpin", "9"), "PEER_UNKNOWN", 2),
        (("pin", str(file)), "PEER_CERTIFICATE_MALFORMED", 1),
    ]:
        assert says(READER, "peer", *words, code=exit_code)["error"]["code"] == code
    home = str(indexed.node(READER).home)
    assert main(["peer", "list", "--home", home]) == 0
    assert indexed.urls[2] in capsys.readouterr().out


def test_the_committee_is_shown_and_wrong_runs_are_refused(
    indexed: Town, says: Says, capsys: pytest.CaptureFixture[str]
) -> None:
    """Epochs with their holders, runs with their phases; each refusal has its own code."""
    answer = says(READER, "committee", "list")
    epoch, run = answer["epochs"][-1], answer["runs"][-1]
    assert (epoch["threshold"], epoch["members"], epoch["held"]) == ("2", ["1", "2", "3"], True)
    assert (run["ours"], run["phase"], run["joined"]) == ("INSTALLED", "OVER", ["1", "2", "3"])
    for words, code, exit_code in [
        (("generate", "1", "2", "3", "--threshold", "1"), "OPRF_COMMITTEE_SHAPE", 2),
        (("reshare", "1", "2", "9", "--threshold", "2"), "COMMITTEE_MEMBER", 2),
        (("join", "ffffff"), "RUN_UNKNOWN", 2),
        (("join", run["run"][:12]), "PLAN_STALE", 1),
        (("approve", run["run"][:12]), "KEY_EPOCH_INSTALLED", 2),
    ]:
        assert says(READER, "committee", *words, code=exit_code)["error"]["code"] == code
    assert main(["committee", "list", "--home", str(indexed.node(OUTSIDER).home)]) == 0
    out, err = capsys.readouterr()
    assert "2 of 1, 2, 3" in out
    assert "two colluding nodes" in err


def test_a_person_is_looked_up_by_one_command(indexed: Town, says: Says, tmp_path: Path) -> None:
    """Consent, ticket, committee, bucket, receipt; what was begun is gone on with by its number."""
    file, receipt, again = tmp_path / "id", tmp_path / "receipt", tmp_path / "again"
    file.write_text(person_of(1).value)
    whom = ("--id-file", str(file), "--test-identifiers")
    with turning(indexed):
        found = says(READER, "blacklist", "lookup", *whom, "--scope", "HIT")
        assert (found["outcome"], found["level"], found["enforced"]) == ("HIT", "1", False)
        number = found["lookup"]
        words = ("lookup", "--lookup", number, "--out", str(receipt))
        once_more = says(READER, "blacklist", *words)
    assert once_more == found
    assert explain_receipt(receipt.read_bytes(), allow_test=True).ok
    says(READER, "blacklist", "receipt", number, "--out", str(again))
    assert again.read_bytes() == receipt.read_bytes()
    listed = says(READER, "blacklist", "lookups")["lookups"][0]
    assert (listed["lookup"], listed["outcome"]) == (number, "HIT")
    assert person_of(1).value not in json.dumps([found, listed])
    assert isinstance(says(READER, "blacklist", "tickets")["free"], list)
    for wrong, code in [
        ((*whom, "--request", str(file)), "CONSENT_INCOMPLETE"),
        ((*whom, "--purpose", "FUN"), "PURPOSE_UNKNOWN"),
        ((*whom, "--scope", "ALL"), "SCOPE_UNKNOWN"),
    ]:
        refused = says(READER, "blacklist", "lookup", *wrong, code=2)
        assert refused["error"]["code"] == code
