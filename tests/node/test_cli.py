from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli import json_target, main, normalise

HEAVY = ("web3", "sqlalchemy", "fastapi", "node.chain", "node.tables", "node.db", "httpx")
CSV = "entry_ref,direction,amount,currency,booking_date,end_to_end_id\n"


@pytest.fixture
def books(tmp_path: Path) -> tuple[Path, Path]:
    """Two small books: one pair that matches, one amount that differs, one missing."""
    servicer, owner = tmp_path / "servicer.csv", tmp_path / "owner.csv"
    servicer.write_text(
        CSV
        + "s1,IN,10.00,CNY,2026-11-20,E2E001\n"
        + "s2,OUT,5.00,CNY,2026-11-20,E2E002\n"
        + "s3,IN,7.00,CNY,2026-11-20,E2E003\n"
    )
    owner.write_text(CSV + "o1,IN,10.00,CNY,2026-11-20,E2E001\no2,OUT,5.50,CNY,2026-11-20,E2E002\n")
    return servicer, owner


def answer_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    """Run a command with --json -; return its exit code and the one object it wrote."""
    code = main([*words, "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def test_match_answers_as_the_interface_says(
    books: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`kanhe match` writes report, digest, totals, groups, breaks and timing, amounts as text."""
    code, found = answer_of(capsys, "match", "--servicer", str(books[0]), "--owner", str(books[1]))
    assert code == 0
    assert {"report", "report_digest", "complete", "balance_proven", "totals"} <= found.keys()
    assert [group["pass"] for group in found["groups"]] == ["e2e"]
    assert {item["kind"] for item in found["breaks"]} == {"AMOUNT", "TIMING"}
    assert found["totals"][0]["proof_minor"] == "0"
    assert {"parse", "match", "digest"} <= found["timing_ms"].keys()


def test_the_order_of_lines_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shuffled lines of a scenario give the same digest, and its labels are what is found."""
    assert main(["scenario", "--seed", "5", "--entries", "300", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    digests = set()
    for seed in range(3):
        words = ["match", "--terms", str(tmp_path / "terms.json")]
        for name in ("servicer", "owner"):
            path = tmp_path / f"{name}-{seed}.csv"
            path.write_text(_shuffled((tmp_path / f"{name}.csv").read_text(), seed))
            words += [f"--{name}", str(path)]
        _, found = answer_of(capsys, *words)
        digests.add(found["report_digest"])
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert len(digests) == 1
    assert _kinds(found["breaks"]) == _kinds(labels["breaks"])


def _shuffled(text: str, seed: int) -> str:
    lines = text.splitlines(keepends=True)
    head = next(n for n, line in enumerate(lines) if not line.startswith("#")) + 1
    body = lines[head:]
    random.Random(seed).shuffle(body)
    return "".join([*lines[:head], *body])


def _kinds(breaks: list[dict]) -> list[tuple]:
    return sorted(
        (b["kind"], tuple(sorted(b["servicer"])), tuple(sorted(b["owner"]))) for b in breaks
    )


def test_a_book_from_the_wrong_side_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Debit and credit read from the wrong side: DIRECTION_MIRRORED names what mends it."""
    for name, columns in (("s", "debit,credit"), ("o", "debit,credit")):
        rows = "".join(f"{name}{n},{n}.00,,CNY,2026-11-20,\n" for n in range(1, 9))
        text = f"entry_ref,{columns},currency,booking_date,remittance\n{rows}"
        (tmp_path / f"{name}.csv").write_text(text)
    words = ["match", "--servicer", str(tmp_path / "s.csv"), "--owner", str(tmp_path / "o.csv")]
    code, found = answer_of(
        capsys, *words, "--servicer-perspective", "statement", "--owner-perspective", "ledger"
    )
    assert code == 2
    assert found["error"]["code"] == "DIRECTION_MIRRORED"
    assert "--owner-perspective statement" in found["error"]["help"]
    code, found = answer_of(
        capsys, *words, "--servicer-perspective", "statement", "--owner-perspective", "statement"
    )
    assert code == 0


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["statement", "missing.csv"], 2, "FILE_NOT_FOUND"),
        (["match", "--servicer", "a"], 2, "USAGE"),
        (["nonsense"], 2, "USAGE"),
        (["demo", "--nonsense"], 2, "USAGE"),
        (["demo", "--entries", "many"], 2, "USAGE"),
        (["demo", "--owner", "a.csv"], 2, "SERVICER_MISSING"),
        (["desk", "--port", "high"], 2, "USAGE"),
        (["desk", "--nonsense"], 2, "USAGE"),
        (["desk", "--folder", "nowhere"], 3, "DEMO_NOT_FOUND"),
        (["outbox"], 2, "USAGE"),
        (["outbox", "release", "--reason", "x"], 2, "OPTION_MISSING"),
        (["status", "--home", "nowhere"], 2, "HOME_NOT_FOUND"),
        (["verify", "nowhere.json"], 2, "FILE_NOT_FOUND"),
    ],
)
def test_errors_are_one_object(
    words: list[str],
    code: int,
    error: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With --json an error is one object on standard output, and the exit code says whose turn."""
    monkeypatch.chdir(tmp_path)
    given, found = answer_of(capsys, *words)
    assert given == code
    assert found["error"]["code"] in {error, "FILE_UNREADABLE"}
    assert found["error"]["message"]


def test_errors_are_words_without_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without --json an error is words on standard error, and standard output stays empty."""
    path = tmp_path / "a.csv"
    path.write_text("neither,nor\n1,2\n")
    assert main(["statement", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "help:" in said.err


def test_verify_finds_a_changed_report(
    books: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `match --json` wrote verifies; with one figure changed it does not, exit 1."""
    path = tmp_path / "report.json"
    words = ["match", "--servicer", str(books[0]), "--owner", str(books[1]), "--json", str(path)]
    assert main(words) == 0
    code, found = answer_of(capsys, "verify", str(path))
    assert (code, found["ok"]) == (0, True)
    body = json.loads(path.read_text())
    body["report"]["totals"][0]["servicer"]["in_minor"] = "1"
    path.write_text(json.dumps(body))
    code, found = answer_of(capsys, "verify", str(path))
    assert (code, found["ok"]) == (1, False)


def test_terms_check_says_the_rules_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kanhe terms check` needs no node; a contradictory rule set is refused."""
    main(["scenario", "--entries", "10", "--out", str(tmp_path), "--json", str(tmp_path / "x")])
    code, found = answer_of(capsys, "terms", "check", str(tmp_path / "terms.json"))
    assert (code, len(found["terms_hash"])) == (0, 64)
    body = json.loads((tmp_path / "terms.json").read_text())
    body["grace_days"] = "-1"
    (tmp_path / "bad.json").write_text(json.dumps(body))
    code, found = answer_of(capsys, "terms", "check", str(tmp_path / "bad.json"))
    assert code == 2
    assert found["error"]["code"].startswith("TERMS_")


def test_a_bare_json_means_standard_output() -> None:
    """`--json` last or before another option is `--json -`; a file's name stays."""
    assert normalise(["status", "--json"]) == ["status", "--json", "-"]
    assert normalise(["status", "--json", "-a", "x"]) == ["status", "--json", "-", "-a", "x"]
    assert normalise(["status", "--json", "out.json"]) == ["status", "--json", "out.json"]
    assert json_target(["status", "--json=out.json"]) == "out.json"
    assert json_target(["status"]) is None


@pytest.mark.parametrize("command", ["statement", "match", "scenario", "verify", "help"])
def test_offline_commands_import_neither_chain_nor_database(
    command: str, books: tuple[Path, Path], tmp_path: Path
) -> None:
    """Commands on files never import web3, SQLAlchemy, FastAPI or the node."""
    report = tmp_path / "report.json"
    main(["match", "--servicer", str(books[0]), "--owner", str(books[1]), "--json", str(report)])
    words = {
        "statement": ["statement", str(books[0])],
        "match": ["match", "--servicer", str(books[0]), "--owner", str(books[1])],
        "scenario": ["scenario", "--entries", "10", "--out", str(tmp_path / "s")],
        "verify": ["verify", str(report)],
        "help": ["--help"],
    }[command]
    program = (
        "import sys; from node.cli import main; code = main(sys.argv[1:]);"
        f"bad = [n for n in {HEAVY!r} if n in sys.modules]; print(bad, file=sys.stderr);"
        "sys.exit(code or (9 if bad else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_terms_check_replays_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would match differently than under the terms it is compared with."""
    main(["scenario", "--entries", "200", "--out", str(tmp_path), "--json", str(tmp_path / "x")])
    body = json.loads((tmp_path / "terms.json").read_text())
    body["passes"] = [rule for rule in body["passes"] if rule["name"] != "account"]
    (tmp_path / "less.json").write_text(json.dumps(body))
    files = ["--servicer", str(tmp_path / "servicer.csv"), "--owner", str(tmp_path / "owner.csv")]
    words = ["terms", "check", str(tmp_path / "less.json"), *files]
    code, found = answer_of(capsys, *words, "--against", str(tmp_path / "terms.json"))
    assert code == 0
    (replay,) = found["replay"]
    assert replay["changes"] is True
    assert {group["pass"] for group in replay["lost"]} == {"account"}
    assert replay["gained"] == []
    assert {item["code"] for item in found["risks"]} == {"NO_HOLIDAYS"}
    assert found["explains"][-1]["zh"].startswith("bare：")
    assert main([*words, "--language", "zh"]) == 0
    shown = capsys.readouterr().out
    assert "须留意" in shown
    assert "lost" in shown


def test_terms_check_wants_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file alone, or files beside an agreement, is wrong usage."""
    main(["scenario", "--entries", "10", "--out", str(tmp_path), "--json", str(tmp_path / "x")])
    terms = str(tmp_path / "terms.json")
    code, found = answer_of(capsys, "terms", "check", terms, "--servicer", terms)
    assert (code, found["error"]["code"]) == (2, "TERMS_REPLAY")
    code, found = answer_of(capsys, "terms", "check", terms, "--language", "fr")
    assert (code, found["error"]["code"]) == (2, "LANGUAGE_UNKNOWN")


def test_a_scenario_has_flavours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Adversarial books are written with labels and terms; another flavour is refused."""
    words = ["scenario", "--entries", "80", "--out", str(tmp_path), "--flavour"]
    code, _ = answer_of(capsys, *words, "opted")
    assert code == 0
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert {"truncated", "embedded", "split_payout", "sums"} <= labels["mix"].keys()
    terms = json.loads((tmp_path / "terms.json").read_text())
    assert "cut" in {rule["name"] for rule in terms["passes"]}
    assert terms["calendar"]["owner"]["holidays"]
    code, found = answer_of(capsys, *words, "sweet")
    assert (code, found["error"]["code"]) == (2, "FLAVOUR_UNKNOWN")


def test_money_whose_digits_the_terms_do_not_state_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An amount in minor units means nothing without its digits: match and terms check say so."""
    main(["scenario", "--entries", "200", "--out", str(tmp_path), "--json", str(tmp_path / "x")])
    body = json.loads((tmp_path / "terms.json").read_text())
    del body["currencies"]["USD"]
    (tmp_path / "cny.json").write_text(json.dumps(body))
    files = ["--servicer", str(tmp_path / "servicer.csv"), "--owner", str(tmp_path / "owner.csv")]
    terms = str(tmp_path / "cny.json")
    for words in (["match", *files, "--terms", terms], ["terms", "check", terms, *files]):
        code, found = answer_of(capsys, *words)
        assert (code, found["error"]["code"]) == (2, "TERMS_CURRENCY_DIGITS")
        assert found["error"]["where"]["field"] == "currencies.USD"
        assert "USD" in found["error"]["help"]


def test_a_book_whose_lines_are_out_of_order_gives_the_same_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The order of rows decides nothing: the reversed files have the same digest."""
    main(["scenario", "--entries", "60", "--out", str(tmp_path), "--json", str(tmp_path / "x")])
    digests = []
    for turn in (1, -1):
        for side in ("servicer", "owner"):
            lines = (tmp_path / f"{side}.csv").read_text().splitlines()
            head = next(n for n, line in enumerate(lines) if line.startswith("entry_ref"))
            rows = lines[head + 1 :][::turn]
            text = "\n".join([*lines[: head + 1], *rows]) + "\n"
            (tmp_path / f"{side}{turn}.csv").write_text(text)
        files = [str(tmp_path / f"{side}{turn}.csv") for side in ("servicer", "owner")]
        words = ["match", "--servicer", files[0], "--owner", files[1]]
        code, found = answer_of(capsys, *words, "--terms", str(tmp_path / "terms.json"))
        assert code == 0
        digests.append(found["report_digest"])
    assert digests[0] == digests[1]
