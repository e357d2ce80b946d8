from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.bootstrap import ChainTarget, home_info, init_home, write_target
from node.chain.deploy import Founder
from node.cli import main, session
from node.home import target_of
from node.settings import Settings
from reconcile.model import ProtocolError, day_iso
from tests.node.services.conftest import DAY, WINDOW

PHRASE = "a phrase for tests"
WEAK_SCRYPT = 1_024
HEADER = "entry_ref,direction,amount,currency,booking_date,end_to_end_id\n"


@dataclass
class Homes:
    """Two founding members' homes beside one instant chain."""

    chain: EmbeddedChain
    target: ChainTarget
    servicer: Path
    owner: Path


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    """Two homes whose admins founded the network; their other keys are not registered."""
    folder = tmp_path_factory.mktemp("homes")
    (folder / "phrase").write_text(PHRASE + "\n")
    before = os.environ.get("KANHE_PASSPHRASE_FILE")
    os.environ["KANHE_PASSPHRASE_FILE"] = str(folder / "phrase")
    with EmbeddedChain(block_time_s=0) as chain:
        made = [folder / "servicer", folder / "owner"]
        for number, home in enumerate(made):
            init_home(
                home,
                name=home.name,
                passphrase=PHRASE,
                code=f"CODE-{number}",
                scrypt_n=WEAK_SCRYPT,
            )
        admins = [bytes.fromhex(home_info(home).addresses["ADMIN"][2:]) for home in made]
        target = deploy(chain, [Founder(f"CODE-{n}", admin) for n, admin in enumerate(admins)])
        for home in made:
            write_target(home, target)
        yield Homes(chain, target, made[0], made[1])
    if before is None:
        del os.environ["KANHE_PASSPHRASE_FILE"]
    else:
        os.environ["KANHE_PASSPHRASE_FILE"] = before


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    """Run a command with --json -, hold its exit code, return its answer."""
    given = main([*words, "--json", "-"])
    out = capsys.readouterr()
    assert given == code, out
    return json.loads(out.out)


def turn(homes: Homes, capsys: pytest.CaptureFixture[str]) -> None:
    """Let both homes take turns until each has seen the other's acts."""
    for _ in range(2):
        for home in (homes.servicer, homes.owner):
            said(capsys, "post", "--home", str(home), "--wait")


def only_what_stands_is_signed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Another report's digest, or what is none, signs nothing; the one that stands is signed."""
    for digest, refusal in (("ab" * 32, "REPORT_MOVED"), ("abc", "DIGEST_MALFORMED")):
        assert main([*words, "--digest", digest]) != 0
        assert refusal in capsys.readouterr().err
    status = [word for word in words[1:] if word != "--wait"]
    digest = said(capsys, "status", *status, code=1)["windows"][0]["digest"]
    said(capsys, *words, "--digest", digest[:8], code=1)


def test_one_day_by_the_command_line(
    homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Keys, agreement, opening, import, close, attest, status, break, audit, proof and verify."""
    both = (homes.servicer, homes.owner)
    for home in both:
        said(capsys, "member", "register", "--home", str(home), "--wait")
    homes.chain.mine(6)
    turn(homes, capsys)
    listed = said(capsys, "member", "list", "--home", str(homes.servicer))["members"]
    assert [item["standing"] for item in listed] == ["ACTIVE", "ACTIVE"]

    words = ["agreement", "open", "--kind", "bank-enterprise", "--servicer", "1", "--owner", "2"]
    words += ["--currency", "CNY", "--name", "main", "--home", str(homes.servicer), "--wait"]
    agreement = said(capsys, *words)["agreement"]
    turn(homes, capsys)
    words = ["agreement", "accept", agreement[:12], "--name", "main", "--home", str(homes.owner)]
    said(capsys, *words, "--wait")
    turn(homes, capsys)
    for home in both:
        said(capsys, "close", "-a", "main", "--window", "0", "--home", str(home), "--wait")
    turn(homes, capsys)
    for home in both:
        main(["attest", "-a", "main", "--window", "0", "--home", str(home), "--wait"])
        capsys.readouterr()
    turn(homes, capsys)

    date = day_iso(DAY)
    ours, theirs = tmp_path / "s.csv", tmp_path / "o.csv"
    ours.write_text(HEADER + f"s1,IN,10.00,CNY,{date},E2E001\ns2,OUT,5.00,CNY,{date},E2E002\n")
    theirs.write_text(HEADER + f"o1,IN,10.00,CNY,{date},E2E001\no2,OUT,5.50,CNY,{date},E2E002\n")
    for home, path in zip(both, (ours, theirs), strict=True):
        found = said(capsys, "import", str(path), "-a", "main", "--home", str(home), "--wait")
        assert (found["queued"], found["done"]) == ("2", True)
    turn(homes, capsys)
    for home in both:
        said(capsys, "close", "-a", "main", "--day", date, "--home", str(home), "--wait")
    turn(homes, capsys)
    window = ["--window", str(WINDOW)]
    status = ["status", "-a", "main", *window, "--home"]
    said(capsys, *status, str(homes.owner), code=1)
    words = ["attest", "-a", "main", *window, "--wait", "--home"]
    only_what_stands_is_signed([*words, str(homes.servicer)], capsys)
    turn(homes, capsys)
    said(capsys, *words, str(homes.owner))
    turn(homes, capsys)
    rows = [said(capsys, *status, str(home))["windows"][0] for home in both]
    assert [row["state"] for row in rows] == ["AGREED", "AGREED"]
    assert rows[0]["digest"] == rows[1]["digest"]
    assert rows[0]["breaks"] == {"AMOUNT": "1"}

    home = ["--home", str(homes.owner)]
    found = said(capsys, "break", "list", "-a", "main", *home)["breaks"]
    shown = said(capsys, "break", "show", "main", found[0]["key"][:12], *home)
    assert shown["differing"] == ["amount_minor"]
    assert said(capsys, "audit", "-a", "main", "--book", str(theirs), *home)["ok"]
    said(capsys, "audit", "-a", "main", "--book", str(ours), *home, code=1)
    for extra in ([], ["--entry", "o2"], ["--stream"]):
        out = tmp_path / "proof.json"
        words = ["proof", "export", "-a", "main", *window, "--out", str(out), *extra, *home]
        said(capsys, *words)
        assert said(capsys, "verify", str(out))["ok"]
    assert said(capsys, "terms", "show", "main", *home)["terms"]["engine"] == "kanhe/match/1"
    doctor = {item["name"]: item["ok"] for item in said(capsys, "doctor", *home)["checks"]}
    assert all(doctor.values()), doctor
    assert main(["break", "show", "main", found[0]["key"][:12], *home]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in (date, "5.50", "OUT", "BOOKED", "end_to_end_id E2E002"))
    _look_as_a_stranger(homes, capsys, tmp_path / "stranger")


def _look_as_a_stranger(homes: Homes, capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """A node outside the agreement takes no part in it, and misses nothing of what is sealed."""
    init_home(place, name="stranger", passphrase=PHRASE, scrypt_n=WEAK_SCRYPT)
    write_target(place, homes.target)
    home = ["--home", str(place)]
    said(capsys, "post", *home, "--wait")
    assert len(said(capsys, "agreement", "list", *home)["agreements"]) == 1
    assert main(["agreement", "list", *home]) == 0
    listed = capsys.readouterr().out
    assert "none" in listed
    assert "observer" not in listed
    checks = said(capsys, "doctor", *home, code=1)["checks"]
    assert [item["says"] for item in checks if item["name"] == "batches"] == [
        "every batch of our agreements is open"
    ]


def test_a_wrong_passphrase_is_said(
    homes: Homes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong passphrase is bad input with its code; reading needs none."""
    monkeypatch.delenv("KANHE_PASSPHRASE_FILE")
    monkeypatch.setenv("KANHE_PASSPHRASE", "not the phrase at all")
    found = said(capsys, "post", "--home", str(homes.servicer), code=2)
    assert found["error"]["code"] == "KEYSTORE_PASSPHRASE"
    assert "not the phrase" not in json.dumps(found)
    monkeypatch.delenv("KANHE_PASSPHRASE")
    said(capsys, "status", "--home", str(homes.servicer))


def test_a_wrong_chain_is_refused(
    homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Another chain id, a missing contract and a chain that is not there each have their code."""
    home = tmp_path / "stranger"
    init_home(home, name="stranger", passphrase=PHRASE, scrypt_n=WEAK_SCRYPT)
    cases = {
        "WRONG_CHAIN": (replace(homes.target, chain_id=4_242), 3),
        "CONTRACT_UNKNOWN": (replace(homes.target, ledger="0x" + "11" * 20), 3),
        "CHAIN_UNREACHABLE": (replace(homes.target, url="http://127.0.0.1:9"), 3),
    }
    for code, (target, exit_code) in cases.items():
        write_target(home, target)
        found = said(capsys, "run", "--home", str(home), code=exit_code)
        assert found["error"]["code"] == code
        assert found["error"]["help"]


def test_one_home_runs_once(
    homes: Homes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second `kanhe run` in the same home is refused; a killed one leaves the home usable."""
    monkeypatch.setattr(session, "HOME_WAIT_S", 0.5)
    first = _run(homes.servicer)
    try:
        found = said(capsys, "run", "--home", str(homes.servicer), code=3)
        assert found["error"]["code"] == "HOME_IN_USE"
    finally:
        first.kill()
        first.wait()
    second = _run(homes.servicer)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=30) == 0


def test_a_port_in_use_is_said(homes: Homes) -> None:
    """The desk's port taken by another program: exit 3, PORT_IN_USE, and the node ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = ["run", "--home", str(homes.servicer), "--desk", "--port", port]
        done = subprocess.run(
            [*_kanhe(), *words], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert "PORT_IN_USE" in done.stderr


def test_init_makes_a_private_home_once(
    homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`kanhe init` writes keys only their user reads, and never over an existing home."""
    home = tmp_path / "new"
    made = said(capsys, "init", "--name", "New", "--home", str(home), "--code", "X-1")
    assert set(made["addresses"]) == {"ADMIN", "POSTER", "APPROVER"}
    for path in (home / "keystore").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    found = said(capsys, "init", "--name", "New", "--home", str(home), code=2)
    assert found["error"]["code"] == "HOME_EXISTS"
    found = said(capsys, "run", "--home", str(home), code=2)
    assert found["error"]["code"] == "CHAIN_NOT_SET"
    assert homes.servicer.exists()


def test_init_notes_a_blacklist_or_none(
    homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A home keeps the blacklist's three addresses; a part of them, or no address, is refused."""
    words = [
        *("init", "--name", "New", "--chain-url", homes.target.url, "--chain-id", "20251"),
        *("--registry", homes.target.registry, "--ledger", homes.target.ledger),
    ]
    one, two, three = (f"0x{digit * 40}" for digit in "123")
    for given, code in [
        (["--blacklist", one], "BLACKLIST_INCOMPLETE"),
        (["--blacklist", one, "--lookups", two, "--points", "0x3"], "ADDRESS_MALFORMED"),
    ]:
        refused = said(capsys, *words, *given, "--home", str(tmp_path / "no"), code=2)
        assert refused["error"]["code"] == code
        assert not (tmp_path / "no").exists()
    home = tmp_path / "with"
    said(
        capsys,
        *words,
        *("--blacklist", one, "--lookups", two, "--points", three),
        "--home",
        str(home),
    )
    target = target_of(home, Settings(home=home))
    assert (target.blacklist, target.lookups, target.points) == (one, two, three)
    assert target.place.points == target.contracts.points == bytes.fromhex(three[2:])
    said(capsys, *words, "--home", str(tmp_path / "without"))
    without = target_of(tmp_path / "without", Settings(home=tmp_path / "without"))
    assert list(without.contracts.addresses) == ["Registry", "Ledger"]
    with pytest.raises(ProtocolError) as refused_place:
        without.place.require_blacklist()
    assert refused_place.value.code == "NO_BLACKLIST"


def test_invitation_and_answer_make_a_participant(
    homes: Homes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Invite → join → invite --answer: the applicant is a participant with its own admin key."""
    invitation, answer, home = tmp_path / "i.json", tmp_path / "a.json", tmp_path / "enterprise"
    said(capsys, "invite", "--out", str(invitation), "--home", str(homes.servicer))
    init_home(home, name="enterprise", passphrase=PHRASE, scrypt_n=WEAK_SCRYPT)
    words = ["join", str(invitation), "--out", str(answer), "--code", "SECRET-CODE"]
    said(capsys, *words, "--home", str(home))
    assert "SECRET-CODE" not in answer.read_text()
    said(capsys, "invite", "--answer", str(answer), "--home", str(homes.servicer), "--wait")
    listed = said(capsys, "member", "list", "--home", str(homes.servicer))["members"]
    new = listed[-1]
    assert (new["full"], new["sponsor"], new["code_text"]) == (False, 1, None)
    assert [key["role"] for key in new["keys"]] == ["ADMIN"]
    found = said(capsys, "invite", "--answer", str(invitation), code=2)
    assert found["error"]["code"] == "FILE_MALFORMED"


def _kanhe() -> list[str]:
    return [sys.executable, "-c", "import sys; from node.cli import main; sys.exit(main())"]


def _run(home: Path) -> subprocess.Popen[str]:
    """Start `kanhe run` and wait until it holds the home."""
    process = subprocess.Popen(
        [*_kanhe(), "run", "--home", str(home)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    for line in process.stderr:
        if " runs: chain " in line:
            return process
        assert time.monotonic() < deadline, line
    raise AssertionError("kanhe run ended before it ran")
