from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devnet.demo import clear_folder
from devnet.network import BANK, ENTERPRISE, INSTITUTIONS, Network, build_network
from devnet.outcome import judge
from devnet.own import OwnFiles, plan_own_files
from devnet.own_files import derive_owner
from devnet.screening_network import reopen_members
from devnet.second_act import run_second_act
from devnet.story import Relation, run_relations
from node.screening.weighing import explain_envelope
from reconcile.model import BreakKind, KanheError, UsageError
from reconcile.statements import read_statement

KANHE = Path(sys.executable).parent / "kanhe"
MEMBERS = ("bank", "clearing", "enterprise")
# One of each format and each bank's own layout; True where strict refuses it (docs/formats.md).
SAMPLE_FILES = (
    ("camt/camt.053.001.02.xml", False),
    ("camt/camt052.v4.xml", True),
    ("camt/camt054.v4.xml", True),
    ("mt940/jejik/sns.sta", False),
    ("mt940/jejik/ing.sta", True),
    ("mt940/self-provided/mt942.sta", True),
    ("mt940/self-provided/raphaelm.sta", True),
    ("cn/alipay/example-alipay-records.csv", True),
    ("cn/wechat/example-wechat-records.xlsx", True),
    ("cn/icbc/debit-v2/example-icbc-debit-v2-records.csv", True),
    ("cn/cmb/debit/example-cmb-records.csv", True),
)


def test_the_demo_agrees_on_exactly_the_labelled_breaks(tmp_path: Path) -> None:
    """`kanhe demo` exits 0, every window is agreed, and a signed report verifies offline."""
    folder = tmp_path / "demo"
    words = [str(KANHE), "demo", "--folder", str(folder), "--entries", "40", "--json", "-"]
    words.append("--no-second-act")
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    body = json.loads(done.stdout)
    assert body["ok"]
    assert len(body["windows"]) == 9
    assert {item["state"] for item in body["windows"]} == {"AGREED"}
    assert all(line["minor"] == "0" for item in body["windows"] for line in item["proof"])
    assert sum(int(item["open_breaks"]) for item in body["windows"]) > 20
    assert (folder / "report.html").read_text(encoding="utf-8").count("AGREED") == 9
    bundle = max((folder / "reports").glob("*.json"))
    checked = subprocess.run(
        [str(KANHE), "verify", str(bundle), "--json", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["ok"]


def test_the_second_act_comes_out_as_it_should(tmp_path: Path) -> None:
    """Listing, consent, hit, absence, refusal, dispute, suspension, erasure; then the desk again.

    What it wrote verifies offline, and says so of none of it once a byte is another.
    """
    outcome = run_second_act(tmp_path / "act", lambda _: None)
    assert outcome.ok, [finding for finding in outcome.findings if not finding.holds]
    found = {finding.what: finding.found for finding in outcome.findings}
    assert found["lookup of the overdue customer"] == "HIT"
    assert found["lookup of somebody never listed"] == "MISS"
    assert len(outcome.files) == 4
    for path in outcome.files:
        data = path.read_bytes()
        assert explain_envelope(data, allow_test=True).ok
        place = data.index(b"payload") + 40
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert broken(changed)
    before, after = (sum(row[place] for row in outcome.points) for place in (1, 2))
    assert before == 0
    assert after != 0
    members = reopen_members(tmp_path / "act")
    try:
        views, _ = members.node(1).screening.entries()
        assert sorted(view.state for view in views) == ["ERASED", "LISTED"]
    finally:
        members.close()


def broken(data: bytes) -> bool:
    """Say whether a changed envelope is refused or fails a check."""
    try:
        return not explain_envelope(data, allow_test=True).ok
    except KanheError:
        return True


def test_own_files_of_every_format_end_agreed(samples: Path, tmp_path: Path) -> None:
    """Each real sample becomes an agreement, is posted, computed and agreed by both sides."""
    relations: list[Relation] = []
    for number, (name, lenient) in enumerate(SAMPLE_FILES):
        files = OwnFiles(samples / name, lenient=lenient)
        made = plan_own_files(files, tmp_path / "books" / str(number), print)
        for relation in made:
            relation.label = f"{number} {relation.label}"
        relations += made
    network: Network = build_network(
        tmp_path / "net",
        say=print,
        institutions=[item for item in INSTITUTIONS if item.slug in MEMBERS],
        hurried=True,
    )
    try:
        run_relations(network, relations, print)
        for relation in relations:
            servicer, owner = relation.parties(network)
            assert {relation.servicer, relation.owner} == {BANK.slug, ENTERPRISE.slug}
            status, problems = judge(
                servicer,
                owner,
                relation.agreement,
                relation.days[0].window,
                labels=None,
                strict_proof=False,
            )
            assert not problems, (relation.label, problems)
            assert status.servicer_entries > 0
    finally:
        network.close()


def test_a_derived_book_differs_by_its_labels_alone(samples: Path) -> None:
    """The owner's book closes where its own entries lead, and differs only where labelled."""
    read = read_statement(samples / "cn" / "wechat" / "example-wechat-records.csv", lenient=True)
    statement = read.statements[0]
    derived = derive_owner(statement)
    kinds = [label.kind for label in derived.labels]
    assert kinds == [
        BreakKind.MISSING_AT_OWNER,
        BreakKind.AMOUNT,
        BreakKind.MISSING_AT_SERVICER,
    ]
    assert len(derived.statement.entries) == len(statement.entries)


def test_a_strange_folder_is_not_emptied(tmp_path: Path) -> None:
    """The demo refuses to clear a folder that it did not make."""
    (tmp_path / "thesis.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(UsageError, match="FOLDER_IN_USE"):
        clear_folder(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
