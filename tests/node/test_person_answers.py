"""What a person reads in an answer: facts before proofs, whole ids, an entry by its beginning."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "screening"))

from listed_people import digest
from test_evidence import EXPORTER, evidence, rests_on
from test_persons import (
    DOMAIN,
    KEYS,
    NOW_S,
    PASSPHRASE,
    PERSON,
    READER,
    answered,
    asked_of,
    asking,
    certificate_of,
    code_of,
    counter,
)

from node.cli import main
from node.screening.asking import (
    About,
    PersonAnswer,
    read_person_request,
    sign_consent_request,
    sign_person_answer,
)
from node.screening.attesting import admit
from node.screening.consent_files import RevocationFile, write_revocation_file
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


def test_what_an_entry_rests_on_is_a_fact_of_it(wallet: Wallet) -> None:
    """Told by its evidence alone; the uploader's file is kept, one of another consent is not."""
    name = bytes.fromhex(str(rests_on()["consent"])[2:])
    files = [
        write_revocation_file(RevocationFile(*words, digest("a secret")))
        for words in (
            (DOMAIN, 8, name),
            (DOMAIN, 9, digest("another consent")),
            (replace(DOMAIN, chain_id=99), 9, name),
            (DOMAIN, 9, name),
        )
    ]
    asked, answer = answered(wallet, revocations=tuple(files))
    found = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    (fact,) = found.entries
    told = fact.to_json()["rests_on"]
    assert isinstance(told, dict)
    assert (told["level"], told["consent"], told["revoked_at"]) == ("1", name.hex(), None)
    assert found.revocations == {fact.entry: files[-1]}
    # Without evidence nobody says whether it is recorded; its name follows from the record.
    asked, answer = answered(wallet, evidence=())
    (bare,) = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER])).entries
    assert (bare.rests_on.told, bare.rests_on.level) == (False, None)
    asked, answer = answered(wallet, revocations=(files[-1][:-2],))
    data = sign_person_answer(answer, KEYS[READER])
    assert code_of(read_back, wallet, asked, data) == "PROOF_MALFORMED"


def test_an_uploader_that_keeps_the_revocation_back_is_seen(wallet: Wallet) -> None:
    """Who recorded the consent itself has the secret: an answer of its own without it lacks it."""
    asked, answer = answered(wallet, receipts=())
    asked, answer = replace(asked, member=9), replace(answer, member=9)
    found = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    (fact,) = found.entries
    assert f"what revokes the consent of entry {fact.entry.hex()}" in found.missing
    name = bytes.fromhex(str(rests_on()["consent"])[2:])
    file = write_revocation_file(RevocationFile(DOMAIN, 9, name, digest("a secret")))
    whole = replace(answer, revocations=(file,))
    found = read_back(wallet, asked, sign_person_answer(whole, KEYS[READER]))
    assert not any("revokes" in line for line in found.missing)


def test_a_consent_to_be_listed_is_revoked_for_an_entry(
    wallet: Wallet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """By itself it names no record; with an answer that shows nothing of it, nothing is written."""
    monkeypatch.setenv("KANHE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("time.time", lambda: float(NOW_S))
    names = ("me", "ask", "cert", "consent", "asked", "answer", "out")
    me, ask, cert, consent, asked, answer, out = (tmp_path / name for name in names)
    wallet.save(me, PASSPHRASE, scrypt_n=2)
    cert.write_bytes(certificate_of(wallet, 1))
    ask.write_bytes(sign_consent_request(asked_of(purpose=Purpose.LISTING), KEYS[READER]))
    signing = ["person", "consent", str(ask), "--wallet", str(me), "--certificate", str(cert)]
    assert main([*signing, "--out", str(consent), "--yes"]) == 0
    assert "asks to list you on the blacklist" in capfd.readouterr().err
    revoking = ["person", "revoke", "--wallet", str(me), "--out", str(out)]
    assert main([*revoking, str(consent)]) == 2
    assert "REVOKES_WHAT" in capfd.readouterr().err
    asked.write_bytes(asking(wallet, About.ENTRIES))
    request, _ = read_person_request(asked.read_bytes())
    told = PersonAnswer(1, request.nonce, NOW_S, evidence=(sign_evidence(evidence(), EXPORTER),))
    answer.write_bytes(sign_person_answer(told, KEYS[1]))
    both = ["--request", str(asked), "--answer", str(answer)]
    assert main([*revoking, str(consent), *both]) == 2
    assert "rest on: none" in capfd.readouterr().err
    assert not out.exists()
