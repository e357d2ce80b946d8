"""What the command line remarks on, asks, and says when nobody reads on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devnet.turns import one_at_a_time
from node.cli import READER_GONE, main
from node.cli.output import EXIT_NO
from node.services.proofs.auditing import _differences
from reconcile.model import Direction, Entry, EntryStatus, OutsideError
from reconcile.terms import default_terms, terms_json

HEAD = "entry_ref,direction,amount,currency,booking_date,end_to_end_id\n"
SIDES = "entry_ref,debit,credit,currency,booking_date,end_to_end_id\n"


def matched(
    folder: Path, capsys: pytest.CaptureFixture[str], servicer: str, owner: str, *more: str
) -> tuple[list[str], str]:
    """Match two files; return the codes of the remarks, and what was said beside the answer."""
    paths = [folder / "s.csv", folder / "o.csv"]
    for path, text in zip(paths, (servicer, owner), strict=True):
        path.write_text(text)
    words = ["match", "--servicer", str(paths[0]), "--owner", str(paths[1]), *more, "--json", "-"]
    assert main(words) == 0
    out = capsys.readouterr()
    return [item["code"] for item in json.loads(out.out)["remarks"]], out.err


def test_two_files_of_which_nothing_matches_are_remarked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unrelated books, and a few rows that fit only turned round; books that match say nothing."""
    ours = HEAD + "a,IN,10.00,CNY,2026-11-20,E2E-0001\n"
    codes, said = matched(tmp_path, capsys, ours, HEAD + "b,IN,7.00,CNY,2026-10-01,E2E-9\n")
    assert codes == ["UNRELATED"]
    assert "servicer's 1 entry (2026-11-20 to 2026-11-20)" in said
    codes, said = matched(tmp_path, capsys, ours, HEAD + "b,OUT,10.00,CNY,2026-11-20,\n")
    assert codes == ["UNRELATED", "PERHAPS_MIRRORED"]
    assert "exchange IN and OUT" in said
    assert "--owner-perspective" not in said, "no option acts on a column of IN and OUT"
    codes, _ = matched(tmp_path, capsys, ours, HEAD + "b,OUT,10.00,CNY,2026-11-20,E2E-0001\n")
    assert codes == ["PERHAPS_MIRRORED"], "a DIRECTION break is no stranger"
    codes, _ = matched(tmp_path, capsys, ours, HEAD + "b,IN,10.00,CNY,2026-11-20,E2E-0001\n")
    assert codes == []


def test_terms_check_reads_each_side_from_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Debit and credit columns replay with a perspective a side, as `match` takes them."""
    servicer, owner, rules = (tmp_path / name for name in ("s.csv", "o.csv", "terms.json"))
    servicer.write_text(SIDES + "a,,10.00,CNY,2026-11-20,E2E-0001\n")
    owner.write_text(SIDES + "b,10.00,,CNY,2026-11-20,E2E-0001\n")
    rules.write_text(json.dumps(terms_json(default_terms(["CNY"]))))
    words = ["terms", "check", str(rules), "--servicer", str(servicer), "--owner", str(owner)]
    words += ["--servicer-perspective", "statement", "--owner-perspective", "ledger"]
    assert main([*words, "--json", "-"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["replay"][0]["same"] == "1"
    assert "1 business days" not in json.dumps(said["explains"])


def test_a_reader_that_has_gone_is_no_answer(tmp_path: Path) -> None:
    """`kanhe … | head` ends as programs do whose reader has gone, and complains of nothing."""
    made = ["-m", "node.cli", "scenario", "--seed", "1", "--entries", "3000"]
    code = (
        "import sys; from node.cli import main; "
        "sys.exit(main(['statement', sys.argv[1], '--json', '-']))"
    )
    assert main([*made[2:], "--out", str(tmp_path), "--json", str(tmp_path / "done.json")]) == 0
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "servicer.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        said = running.stderr.read().decode()
        assert (running.wait(60), said) == (READER_GONE, "")


def test_an_audit_says_a_status_by_its_name() -> None:
    """BOOKED and not 1."""
    base = {"amount_minor": 1, "currency": "CNY", "booking_date": 20_000}
    mine = Entry("a", 0, Direction.IN, **base)  # type: ignore[arg-type]
    theirs = Entry("a", 0, Direction.OUT, status=EntryStatus.PENDING, **base)  # type: ignore[arg-type]
    found = {row.field: (row.book, row.ledger) for row in _differences(mine, theirs, None)}
    assert found == {"direction": ("IN", "OUT"), "status": ("BOOKED", "PENDING")}


def test_a_demos_folder_is_one_commands_at_a_time(tmp_path: Path) -> None:
    """A second demo or desk is told who has it; afterwards it may begin."""
    with (
        one_at_a_time(tmp_path / "demo"),
        pytest.raises(OutsideError, match="DEMO_IN_USE"),
        one_at_a_time(tmp_path / "demo"),
    ):
        pass
    with one_at_a_time(tmp_path / "demo"):
        assert not (tmp_path / "demo").exists()


def stated(opening: str, closing: str, ref: str, digits: str = "CNY") -> str:
    """One entry of ten that both books hold, with balances."""
    head = "".join(
        f"#{word}_balance,{digits},{amount},2026-11-20\n"
        for word, amount in (("opening", opening), ("closing", closing))
    )
    return f"{head}{HEAD}{ref},IN,10,{digits},2026-11-20,AAAA1\n"


@pytest.mark.parametrize(("code", "said"), [("CNY", "10.00 CNY"), ("JPY", "10 JPY")])
def test_what_to_ask_for_is_said_in_the_digits_of_the_currency(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    """Closings that are ten apart say ten, and a break without entries has no difference of 0."""
    paths = [tmp_path / "s.csv", tmp_path / "o.csv"]
    amounts = ((100, 110), (90, 100))
    for path, (opening, closing) in zip(paths, amounts, strict=True):
        path.write_text(stated(str(opening), str(closing), path.stem, code))
    assert main(["match", "--servicer", str(paths[0]), "--owner", str(paths[1])]) == EXIT_NO
    out = capsys.readouterr().out
    assert "NOT complete" in out
    assert f"both opening positions: {said} of the two closings' difference" in out
    (row,) = [
        line
        for line in out.splitlines()
        if "BALANCE" in line and "ask" not in line and "by kind" not in line
    ]
    assert code not in row


def test_a_lenient_match_lists_what_each_file_contradicts_itself_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closing that is five off is named, its side and its amounts, in text and in JSON."""
    paths = [tmp_path / "s.csv", tmp_path / "o.csv"]
    paths[0].write_text(stated("100", "115", "s1"))
    paths[1].write_text(stated("100", "110", "o1"))
    words = ["match", "--servicer", str(paths[0]), "--owner", str(paths[1])]
    assert main([*words, "--lenient"]) == 0
    said = capsys.readouterr().err
    assert "the servicer's file is not provable: " in said
    assert "expected 110.00 CNY, found 115.00 CNY) [TOTALS]" in said
    assert "the owner's" not in said
    assert main([*words, "--lenient", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["contradictions"]
    assert [item["code"] for item in found["servicer"]] == ["TOTALS"]
    assert found["owner"] == []


def test_missing_statement_numbers_are_remarked_by_statement_and_match(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Balances that chain hide that 2 is missing; the number says so, whose file it is too."""
    bank, book = tmp_path / "bank.sta", tmp_path / "book.csv"
    bank.write_text(
        "".join(
            f":20:R\n:25:99-1\n:28C:{number}/1\n:60F:C{day}EUR5,\n:61:{day}C0,NTRFNONREF//R{number}\n"
            f":62F:C{day}EUR5,\n-\n"
            for number, day in ((1, "261119"), (3, "261120"))
        )
    )
    book.write_text(stated("5", "15", "o1", "EUR"))
    assert main(["statement", str(bank)]) == 0
    assert "remark: line 8: statement 2 is missing" in capsys.readouterr().err
    words = ["match", "--servicer", str(bank), "--owner", str(book), "--json", "-"]
    main(words)
    out = capsys.readouterr()
    assert "remark: the servicer, line 8: statement 2 is missing" in out.err
    found = [item for item in json.loads(out.out)["remarks"] if item["side"] == "servicer"]
    assert [(item["code"], item["line"]) for item in found] == [("STATEMENT_NUMBER", 8)]


@pytest.mark.parametrize(
    ("kinds", "more", "advice"),
    [
        (("direction", "direction"), (), "exchange IN and OUT"),
        (("direction", "direction"), ("--owner-perspective", "ledger"), "exchange IN and OUT"),
        (
            ("debit", "direction"),
            ("--servicer-perspective", "statement", "--owner-perspective", "ledger"),
            "--servicer-perspective ledger",
        ),
    ],
)
def test_a_mirrored_book_is_advised_what_acts_on_its_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kinds: tuple[str, str],
    more: tuple[str, ...],
    advice: str,
) -> None:
    """An option is named only for a file it turns; taking the advice ends the refusal."""
    paths = [tmp_path / "s.csv", tmp_path / "o.csv"]
    for path, kind, word in zip(paths, kinds, ("IN", "OUT"), strict=True):
        head, cells = (HEAD, f"{word},%s") if kind == "direction" else (SIDES, ",%s")
        rows = (f"{path.stem}{n},{cells % n},CNY,2026-11-20,\n" for n in range(1, 9))
        path.write_text(head + "".join(rows))
    words = ["match", "--servicer", str(paths[0]), "--owner", str(paths[1])]
    assert main([*words, *more, "--json", "-"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "DIRECTION_MIRRORED"
    assert advice in error["help"]
    assert ("--owner-perspective" in error["help"]) is False
    if kinds[0] == "debit":
        assert main([*words, *advice.split()]) == 0
    else:
        paths[1].write_text(paths[1].read_text().replace("OUT", "IN"))
        assert main(words) == 0
