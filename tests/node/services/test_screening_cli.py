"""`kanhe blacklist`: answers as JSON, refusals as codes in words, nothing shown of people."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.cli import main
from node.wallet import Wallet
from reconcile.model import day_iso
from tests.node.services.blacklist_town import PHRASE, BlacklistTown, fresh_town, person

FACTS = (
    *("--reason", "OVERDUE_M3", "--product", "CARD", "--action", "COLLECTION"),
    *("--amount-band", "3", "--days-past-due-band", "4", "--proof-level", "2"),
)


@pytest.fixture(scope="module")
def town(
    founded_town: BlacklistTown, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BlacklistTown]:
    """Four members with a blacklist; the first two are worked from the command line."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "phrase").write_text(PHRASE + "\n")
    (founded_town.folder / "letter").write_text("you are overdue")
    with pytest.MonkeyPatch.context() as patch, fresh_town(founded_town) as lent:
        patch.setenv("KANHE_PASSPHRASE_FILE", str(folder / "phrase"))
        for member in (1, 2):
            lent.node(member).close()
        yield lent


class Desk:
    """One member's command line."""

    def __init__(
        self, town: BlacklistTown, member: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = str(town.node(member).home)
        self._database = town.node(member).settings.database_url
        self._capsys = capsys

    def _run(self, *words: str, text: str = "") -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            patch.setenv("KANHE_DATABASE_URL", self._database)
            return main([*words, "--home", self.home])

    def says(self, *words: str, code: int = 0, text: str = "") -> Any:  # noqa: ANN401 - JSON
        """Run a command with --json and return its answer; `text` is its standard input."""
        self._capsys.readouterr()
        found = self._run("blacklist", *words, "--json", "-", text=text)
        out = self._capsys.readouterr().out
        assert found == code, out
        return json.loads(out)

    def catch_up(self) -> None:
        """Let the member's node take its turns, as a running one does."""
        assert self._run("post", "--wait") == 0

    def tells(self, *words: str, code: int = 0) -> str:
        """Run a command for people and return what it says."""
        self._capsys.readouterr()
        assert self._run("blacklist", *words) == code
        return self._capsys.readouterr().out


def test_a_person_is_listed_traced_disputed_and_erased(
    town: BlacklistTown, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """From the first listing to the certificate, by two members' command lines."""
    alpha, beta = Desk(town, 1, capsys), Desk(town, 2, capsys)
    town.settle(3)
    today = town.today(3)
    letter = str(town.folder / "letter")
    words = (
        *("list", "--id-file", "-", *FACTS, "--test-identifiers", "--event-month", month(today)),
        *("--notice-at", iso(today - 30), "--notice-file", letter, "--consent-file", letter),
        *("--evidence", letter),
    )
    identifier = person(7).value
    made = alpha.says(*words, "--wait", text=identifier + "\n")
    entry = made["entry"]
    assert (made["done"], made["effective_from"]) == (True, iso(today))
    assert identifier not in json.dumps(made)
    again = alpha.says(*words, text=identifier, code=2)
    assert again["error"]["code"] == "LISTED_ALREADY"
    (listed,) = alpha.says("entries")["entries"]
    assert (listed["entry"], listed["state"], listed["reason"]) == (entry, "TICKETED", "OVERDUE_M3")
    beta.catch_up()
    seen = beta.says("trace", entry[:10])
    assert (seen["uploader"], seen["code"], seen["statement"]) == ("1", "TEST-0", None)
    assert [step["what"] for step in seen["history"]] == ["EntryPosted"]
    own = alpha.says("trace", entry)
    assert (own["holds"], own["statement"]["reason"]) == (True, "OVERDUE_M3")
    assert [one["ok"] for one in own["checks"] if one["name"] == "commitment"] == [True]
    assert own["notice"]["hash"]
    assert identifier not in alpha.tells("trace", entry)
    points = alpha.says("points")
    assert points["staked_micro"] == "5000000"
    assert [row["reason"] for row in points["movements"]] == ["listing", "allowance"]
    tagged(town, beta, entry)
    beta.catch_up()
    number = beta.says("dispute", entry, "--grounds", "the card was paid", "--wait")["dispute"]
    alpha.catch_up()
    (raised,) = alpha.says("disputes", "--ours")["disputes"]
    assert (raised["dispute"], raised["phase"], raised["moves"]) == (number, "OPEN", ["answer"])
    assert not raised["by_person"]
    assert beta.says("paper", number)["text"] == "the card was paid"
    assert alpha.says("answer", number, "--extend", code=2)["error"]["code"] == "NO_EXTENSION"
    assert beta.says("contest", number, code=2)["error"]["code"] == "PHASE_NOT_ALLOWED"
    refused = alpha.says("contest", number, "--for-person", code=2)
    assert refused["error"]["code"] == "NOT_PARTY", "it is about an entry of ours"
    town.chain.rpc("evm_increaseTime", 11 * 86_400)
    town.chain.mine()
    beta.catch_up()
    shows_its_end(beta, entry)
    assert beta.says("disputes")["disputes"] == []
    alpha.catch_up()
    certificate = tmp_path / "certificate.json"
    waits_for_audits(town, alpha, entry, certificate)
    done = alpha.says("erase", entry, "--wait", "--certificate", str(certificate))
    assert hashlib.sha256(certificate.read_bytes()).hexdigest() == done["certificate"]
    beta.catch_up()
    seen = beta.says("trace", entry)
    assert (seen["state"], seen["certificates"][0]["certificate"]) == (
        "ERASED",
        done["certificate"],
    )
    told = beta.tells("trace", entry)
    assert "dispute 1 ended: TIMED_OUT" in told
    assert "ERASED" in beta.tells("entries", "--all")
    assert "entry overturned" in alpha.tells("points")
    assert "TIMED_OUT" in alpha.tells("disputes", "--all")


def tagged(town: BlacklistTown, desk: Desk, entry: str) -> None:
    """Without its leaf nobody disputes it; then it has one."""
    refused = desk.says("dispute", entry, "--grounds", "not mine", code=2)
    assert refused["error"]["code"] == "ENTRY_STATE_NOT_ALLOWED", "it has no leaf yet"
    town.reopen(1)
    town.tag(1)
    town.node(1).close()


def waits_for_audits(town: BlacklistTown, desk: Desk, entry: str, certificate: Path) -> None:
    """Asked for, an erasure says from when on it is done; then that time passes."""
    words = desk.tells("erase", entry, "--wait", "--certificate", str(certificate), code=1)
    assert not certificate.exists()
    until = desk.says("trace", entry)["erased_from"]
    assert f"destroyed from {until} on" in words
    assert f"to be erased from {until} on" in desk.tells("trace", entry)
    town.chain.rpc("evm_increaseTime", 3 * 86_400)
    town.chain.mine()
    desk.catch_up()


def shows_its_end(desk: Desk, entry: str) -> None:
    """A suspended entry is told with both days, in words and in JSON."""
    seen = desk.says("trace", entry)
    assert seen["state"] == "SUSPENDED"
    ends = f"suspended on {seen['suspended_at'][:10]}, ends on {seen['ends_at']}"
    told = desk.tells("trace", entry)
    assert ends in told
    assert "to be notified: the person, of the outcome" in told
    assert "person" in desk.tells("disputes", "--all")
    assert seen["ends_at"] < seen["expires_at"]
    assert seen["ends_at"] in desk.tells("entries", "--all")


def test_bad_words_are_refused_before_anything_is_kept(
    town: BlacklistTown, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each wrong call has its own code, exit 2, and says what to do."""
    desk = Desk(town, 1, capsys)
    good = person(8).value
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    town.settle(3)
    today = town.today(3)
    letter = str(town.folder / "letter")
    whole = ["list", "--id-file", "-", *FACTS, "--test-identifiers", "--event-month", month(today)]
    told = ["--notice-at", iso(today - 30), "--notice-file", letter, "--consent-file", letter]
    cases = [
        (whole + told, wrong, "IDENTIFIER_CHECKSUM"),
        (whole + told, "12", "IDENTIFIER_LENGTH"),
        (whole + told, "", "IDENTIFIER_MISSING"),
        (whole, good, "LISTING_NO_NOTICE"),
        ([*whole, *told, "--expires-at", iso(today + 9_000)], good, "LISTING_EXPIRY_TOO_FAR"),
        (
            [*whole, *told[:1], iso(today - 1), *told[2:], "--effective-from", iso(today)],
            good,
            "LISTING_NOTICE_TOO_RECENT",
        ),
        ([*whole, *told, "--policy", "NOWHERE"], good, "PROFILE_UNKNOWN"),
        ([*whole, *told, "--reason", "DISLIKED"], good, "ROW_WORD_UNKNOWN"),
        ([*whole, *told, "--supersedes", "abcdef"], good, "ENTRY_UNKNOWN"),
        (["trace", "123456"], "", "ENTRY_UNKNOWN"),
        (["trace", "zz"], "", "ENTRY_UNKNOWN"),
        (["answer", "9", "UPHELD", "--reasons", "x"], "", "DISPUTE_UNKNOWN"),
        (["answer", "9"], "", "OPTION_MISSING"),
        (["verdict", "9", "MAYBE"], "", "VERDICT_UNKNOWN"),
        (["verdict", "9", "UPHELD"], "", "DISPUTE_UNKNOWN"),
        (["recall", "123456"], "", "ENTRY_UNKNOWN"),
        (["points", "--after", "x"], "", "CURSOR_MALFORMED"),
        (["points", "--member", "77"], "", "MEMBER_UNKNOWN"),
        (["entries", "--after", "1"], "", "CURSOR_MALFORMED"),
    ]
    listed = len(desk.says("entries")["entries"])
    for words, text, code in cases:
        refused = desk.says(*words, text=text, code=2)["error"]
        assert refused["code"] == code, words
        assert good not in json.dumps(refused)
        assert wrong not in json.dumps(refused)
        # One person is listed: nothing is said of a file's cells and rows.
        assert not {"cell", "row"} & set(f"{refused['message']} {refused['help']}".split()), words
        if code == "ROW_WORD_UNKNOWN":
            assert refused["message"].startswith("--reason")
            assert "CHARGED_OFF" in refused["help"]
    assert len(desk.says("entries")["entries"]) == listed


def month(today: int) -> str:
    """Return a past month."""
    return iso(today - 100)[:7]


def iso(day: int) -> str:
    """Return a day in ISO 8601."""
    return day_iso(day)


def revoking(
    person_says: Callable[..., Any], asked: tuple[str, ...], shown: dict[str, Any], out: str
) -> tuple[str, str, str]:
    """Let her write what revokes an entry's consent, by the answer that shows it."""
    (entry,) = shown["revocable"]
    assert shown["entries"][0]["rests_on"]["document"] == "a" * 64
    person_says("revoke", *asked, "--entry", "abcdef", "--out", out, code=2)
    person_says("revoke", *asked[:4], "--out", out, code=2)
    made = person_says("revoke", *asked, "--entry", entry[:8], "--out", out)
    return entry, out, made["consent"]


def revoked_by_another(alpha: Desk, beta: Desk, entry: str, file: str, name: str) -> None:
    """What revokes her consent to the entry came with the answer: another member relays it."""
    beta.catch_up()
    assert beta.says("revoke", file, "--wait")["consent"] == name
    alpha.catch_up()
    (consent,) = alpha.says("trace", entry)["consents"]
    assert (consent["state"], consent["consent"]) == ("REVOKED", name)
    assert "REVOKED" in alpha.tells("trace", entry)
    assert alpha.says("revoke", "--entry", entry)["consent"] == name, "once is enough"
    assert alpha.says("revoke", code=2)["error"]["code"] == "REVOKES_WHAT"


def test_a_file_is_listed_and_its_people_are_answered(
    town: BlacklistTown,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Imported, certified, consented, asked, exported: files in and files out."""
    monkeypatch.setattr(Wallet.save, "__kwdefaults__", {"scrypt_n": 2})
    town.chain.rpc("evm_increaseTime", 3 * 86_400)
    town.chain.mine()
    town.settle(3)
    alpha, beta = Desk(town, 1, capsys), Desk(town, 2, capsys)
    alpha.catch_up()
    beta.catch_up()
    names = ("list", "id", "me", "kyc", "cert", "ours", "ask", "consent", "revoke", "answer", "why")
    file = {name: str(tmp_path / name) for name in names}
    told, since = day_iso(town.today(3) - 30), day_iso(town.today(3) - 100)
    header = "身份证号,产品,逾期金额,逾期天数,逾期起始日,告知日期,采取措施,名单类型"
    row = f"{person(40).value},信用卡,1234.50,95,{since},{told},催收,逾期,{'a' * 64},{'b' * 64}"
    Path(file["list"]).write_text(f"{header},授权书摘要,告知书摘要\n{row}\n", encoding="utf-8")
    Path(file["id"]).write_text(person(40).value)
    Path(file["why"]).write_text("paid in May")
    imports = ("import", file["list"], "--test-identifiers")
    assert alpha.says(*imports, code=2)["error"]["code"] == "COLUMN_MAP_UNCONFIRMED"
    kept = alpha.says(*imports, "--accept-map", "--wait")
    assert [kept["kept"], kept["drafts"], kept["refused"], len(kept["notify"])] == [True, 1, [], 4]
    (entry,) = [one["entry"] for one in kept["listed"]]
    refused = alpha.says(*imports, "--accept-map", code=1)["refused"]
    assert [one["code"] for one in refused] == ["LISTED_ALREADY"]

    def person_says(*words: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        capsys.readouterr()
        assert main(["person", *words, "--json", "-"]) == code
        return json.loads(capsys.readouterr().out)

    place = town.node(3).identity.place
    network = ("--chain-id", str(place.chain_id), "--lookups", f"0x{place.lookups.hex()}")
    whom = ("--id-type", "CN-RID", "--id-file", file["id"], "--test-identifiers")
    me = ("--wallet", file["me"])
    person_says("key", "new", file["me"], *network, *whom)
    person_says("key", "request", *me, "--member", "2", "--out", file["kyc"])
    beta.says("certify", file["kyc"], *whom, "--out", file["cert"])
    own = (*me, "--certificate", file["cert"])
    alpha.says("ask", "--purpose", "CREDIT", *whom, "--out", file["ask"])
    person_says("consent", file["ask"], *own, "--yes", "--out", file["consent"])
    assert len(alpha.says("consent", file["consent"])["consent"]) == 64
    person_says("revoke", file["consent"], *me, "--out", file["revoke"])
    assert beta.says("revoke", file["revoke"], code=1)["error"]["code"] == "CONSENT_UNKNOWN"
    person_says("key", "request", *me, "--member", "1", "--out", file["kyc"])
    alpha.says("certify", file["kyc"], *whom, "--out", file["ours"])
    whose = ("--certificate", file["ours"], "--consent-certificate", file["cert"])
    person_says("entries", *me, *whose, "--member", "1", "--out", file["ask"])
    answering = ("answer-person", file["ask"], "--test-identifiers", "--out")
    # No committee, so no lookup: nothing is spent.
    assert "error" in alpha.says(*answering, file["answer"], code=1)
    assert not Path(file["answer"]).exists()
    alpha.says(*answering, file["answer"], "--without-receipt")
    both = ("--request", file["ask"], "--answer", file["answer"])
    shown = person_says("entries", *me, *both, code=1)
    assert any(entry[:16] in line for line in shown["evidence"][0]["proved"])
    revoked_by_another(alpha, beta, *revoking(person_says, (*me, *both), shown, file["revoke"]))
    assert alpha.says(*answering, file["why"], code=1)["error"]["code"] == "ASKED_TWICE"
    alpha.says("evidence", entry[:10], "--out", file["answer"])
    assert main(["verify", file["answer"], "--test-identifiers"]) == 0
    said = "".join(capsys.readouterr())
    assert f"entry {entry[:16]}" in said
    assert person(40).value not in said
    assert "PURPOSE_UNKNOWN" in str(
        alpha.says("ask", "--purpose", "FUN", *whom, "--out", "x", code=2)
    )
