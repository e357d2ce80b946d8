"""What a person reads in an answer: facts before proofs, whole ids, an entry by its beginning."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "screening"))

from test_evidence import EXPORTER, evidence
from test_persons import (
    DOMAIN,
    KEYS,
    NOW_S,
    PASSPHRASE,
    PERSON,
    READER,
    answered,
    asking,
    certificate_of,
    code_of,
    counter,
)

from node.cli import main
from node.screening.asking import About, PersonAnswer, read_person_request, sign_person_answer
from node.screening.attesting import admit
from node.screening.consents import Purpose
from node.screening.evidence import sign_evidence
from node.wallet import Wallet, entry_named, read_back
from node.web.i18n import Speaker
from node.web.wallet_facts import answer_lines


@pytest.fixture
def wallet() -> Wallet:
    """A wallet."""
    return Wallet.create(PERSON, DOMAIN)


def test_an_answer_says_its_facts_before_its_proofs(wallet: Wallet) -> None:
    """Which entries with their whole ids and states, who looked when, for what and how far."""
    asked, answer = answered(wallet, looked_up_at_s=(NOW_S - 5,))
    found = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    (entry,), (lookup,) = found.entries, found.lookups
    told = entry.to_json()
    assert (told["reason"], told["product"], told["state"]) == ("OVERDUE_M3", "CARD", "LISTED")
    assert bytes.fromhex(str(told["entry"])) == entry.entry
    assert (lookup.reader, lookup.purpose, lookup.found) == (READER, Purpose.CREDIT, 1)
    assert lookup.looked_up_at_s == NOW_S - 5
    # No ledger was asked: what was found is of an index that may be anybody's.
    for lang, says in (("en", "if its root stands on the ledger"), ("zh", "前提是其根确在账本上")):
        assert any(line.endswith(says) for line in answer_lines(found, Speaker(lang, 0)))
    # Without evidence its state is not shown; a time that is no one's receipt is refused.
    asked, answer = answered(wallet, evidence=())
    short = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    assert [(one.state, one.as_of_block) for one in short.entries] == [(None, None)]
    assert short.lookups[0].to_json()["looked_up_at"] is None
    asked, answer = answered(wallet, looked_up_at_s=(NOW_S, NOW_S))
    data = sign_person_answer(answer, KEYS[READER])
    assert code_of(read_back, wallet, asked, data) == "PROOF_MALFORMED"


@pytest.mark.parametrize("at_s", [253_402_300_800, 2**63, 2**64 - 1])
def test_a_time_without_a_date_is_shown_by_its_day(wallet: Wallet, at_s: int) -> None:
    """A member chose the number that it signed: the answer is read, whatever it is."""
    far = (sign_evidence(replace(evidence(), as_of_s=at_s), EXPORTER),)
    asked, answer = answered(wallet, looked_up_at_s=(at_s,), evidence=far)
    found = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    (entry,), (lookup,) = found.entries, found.lookups
    told = f"day {at_s // 86_400}"
    assert (entry.to_json()["as_of"], lookup.to_json()["looked_up_at"]) == (told, told)
    assert any(told.removeprefix("day ") in line for line in answer_lines(found, Speaker("en", 0)))


def test_an_entry_is_named_by_a_beginning_that_only_one_has() -> None:
    """All digits, or six and more that one known entry begins with; anything else is refused."""
    first, second = bytes.fromhex("ab" * 32), bytes.fromhex("ab" * 4 + "cd" * 28)
    known = (first, second)
    assert entry_named(first.hex().upper(), (), help_="") == first
    assert entry_named("ababababcd…", known, help_="") == second
    for text in ("ababab", "cdcdcd", "abab", "zzzzzz", "", "ab" * 33):
        assert code_of(entry_named, text, known, help_="give all") == "DISPUTE_MALFORMED"


def test_the_command_shows_whole_ids_and_takes_a_beginning(
    wallet: Wallet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`entries --answer` in both languages; `dispute` by six digits with the answer's file."""
    monkeypatch.setenv("KANHE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("time.time", lambda: float(NOW_S))
    names = ("me", "cert", "asked", "answer", "grounds", "out")
    me, cert, asked, answer, grounds, out = (tmp_path / name for name in names)
    wallet.save(me, PASSPHRASE, scrypt_n=2)
    cert.write_bytes(certificate_of(wallet, 1))
    asked.write_bytes(asking(wallet, About.ENTRIES))
    request, _ = read_person_request(asked.read_bytes())
    made = PersonAnswer(1, request.nonce, NOW_S, evidence=(sign_evidence(evidence(), EXPORTER),))
    answer.write_bytes(sign_person_answer(made, KEYS[1]))
    grounds.write_text("paid in May")
    see = ["person", "entries", "--wallet", str(me), "--request", str(asked), "--answer"]
    assert main([*see, str(answer), "--json"]) == 1
    (fact,) = json.loads(capfd.readouterr().out)["entries"]
    assert (len(fact["entry"]), fact["uploader"], fact["state"]) == (64, "9", "LISTED")
    for lang, says in (("en", "overdue by three months or more"), ("zh", "登记方（上传方）")):
        assert main([*see, str(answer), "--lang", lang]) == 1
        shown = capfd.readouterr().out
        assert fact["entry"] in shown
        assert says in shown
    assert main([*see, str(answer), "--lang", "xx"]) == 2
    short = ["person", "dispute", fact["entry"][:6], "--wallet", str(me), "--certificate",
             str(cert), "--member", "1", "--grounds", str(grounds), "--out", str(out)]  # fmt: skip
    assert main(short) == 2
    assert "give all 64 digits" in capfd.readouterr().err
    assert main([*short, "--answer", str(answer)]) == 0
    assert admit(out.read_bytes(), counter())[0].entry == bytes.fromhex(fact["entry"])
