"""A member that lost its admin key gets another by a vote, on the real chain, by the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devnet.deploy import deploy
from devnet.local import EmbeddedChain
from node.bootstrap import home_info, init_home, write_target
from node.chain.deploy import Founder
from node.cli import main

PHRASE = "a phrase for tests"
WEAK_SCRYPT = 1_024


@pytest.fixture
def banks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[EmbeddedChain, list[Path]]]:
    """Three founding members' homes beside one instant chain."""
    (tmp_path / "phrase").write_text(PHRASE + "\n")
    monkeypatch.setenv("KANHE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    homes = [tmp_path / f"bank{number}" for number in range(3)]
    for number, home in enumerate(homes):
        words = {"name": home.name, "code": f"CODE-{number}", "scrypt_n": WEAK_SCRYPT}
        init_home(home, passphrase=PHRASE, **words)  # type: ignore[arg-type]
    admins = [bytes.fromhex(home_info(home).addresses["ADMIN"][2:]) for home in homes]
    with EmbeddedChain(block_time_s=0) as chain:
        target = deploy(chain, [Founder(f"CODE-{n}", admin) for n, admin in enumerate(admins)])
        for home in homes:
            write_target(home, target)
        yield chain, homes


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> dict:
    """Run a command with --json -, hold its exit code, return its answer."""
    given = main([*map(str, words), "--json", "-"])
    out = capsys.readouterr()
    assert given == code, out
    return json.loads(out.out)


def active_admins(capsys: pytest.CaptureFixture[str], home: Path, member: int) -> list[str]:
    """Return the addresses of a member's admin keys that count, as a home sees them."""
    said(capsys, "post", "--home", home, "--wait")
    rows = said(capsys, "member", "list", "--home", home)["members"]
    keys = next(row["keys"] for row in rows if row["member"] == str(member))
    return [key["address"] for key in keys if key["role"] == "ADMIN" and key["state"] == "ACTIVE"]


def test_a_lost_admin_is_replaced_by_quorum(
    banks: tuple[EmbeddedChain, list[Path]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The new key consents to the member's role, two others vote, and it then registers keys."""
    chain, homes = banks
    first, second, lost = homes
    for home in homes:
        said(capsys, "member", "register", "--home", home, "--wait")
    invitation, answer = tmp_path / "invitation.json", tmp_path / "answer.json"
    said(capsys, "invite", "--out", invitation, "--home", first)
    words = ("join", invitation, "--out", answer, "--replaces", 3, "--home", lost)
    assert said(capsys, *words, code=2)["error"]["code"] == "KEY_REGISTERED"
    old = active_admins(capsys, lost, 3)
    for path in (lost / "keystore").glob("admin-*.json"):
        path.unlink()
    said(capsys, *words)
    new = home_info(lost).addresses["ADMIN"]
    assert new.lower() not in {item.lower() for item in old}

    ask = ("motion", "open", "replace-admin", "--answer", answer, "--home", first, "--wait")
    wrong = said(capsys, *ask, "--member", 2, code=2)["error"]
    assert wrong["code"] == "ANSWER_NOT_FOR_MEMBER"
    motion = said(capsys, *ask, "--member", 3)["motion"]
    early = said(capsys, "motion", "list", "--home", first)["motions"][0]
    assert (early["approvals"], early["eligible"], early["passes"]) == (1, 2, False)
    said(capsys, "post", "--home", second, "--wait")
    said(capsys, "motion", "approve", motion[:16], "--home", second, "--wait")
    said(capsys, "motion", "execute", motion[:16], "--home", second, "--wait")
    chain.mine(8)

    assert [item.lower() for item in active_admins(capsys, lost, 3)] == [new.lower()]
    assert [item.lower() for item in active_admins(capsys, first, 3)] == [new.lower()]
    said(capsys, "member", "register", "--home", lost, "--wait")
    listed = said(capsys, "member", "list", "--home", lost)["members"]
    assert next(row for row in listed if row["member"] == "3")["ours"] is True
    doctor = {row["name"]: row for row in json.loads(_doctor(capsys, lost))["checks"]}
    assert doctor["member"]["says"] == "member 3 is active"


def _doctor(capsys: pytest.CaptureFixture[str], home: Path) -> str:
    main(["doctor", "--home", str(home), "--json", "-"])
    return capsys.readouterr().out


def test_an_answer_is_for_one_act(
    banks: tuple[EmbeddedChain, list[Path]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An answer with neither code nor member, or for another act, is refused before the chain."""
    _, homes = banks
    invitation, answer = tmp_path / "invitation.json", tmp_path / "answer.json"
    said(capsys, "invite", "--out", invitation, "--home", homes[0])
    words = ("join", invitation, "--out", answer, "--home", tmp_path / "new")
    assert said(capsys, *words, code=2)["error"]["code"] == "OPTION_MISSING"
    said(capsys, *words, "--replaces", 3)
    for act in (("motion", "open", "admit"), ("invite",)):
        refused = said(capsys, *act, "--answer", answer, "--home", homes[0], code=2)["error"]
        assert refused["code"] == "ANSWER_OTHER_KIND"
