"""A person's page: the files of `kanhe person` by forms, in two languages, for her alone."""

from __future__ import annotations

import queue
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "screening"))

from listed_people import digest, number_of, person_of
from test_evidence import EXPORTER, evidence, rests_on

from node.crypto.eip712 import Domain
from node.crypto.oprf import modes
from node.crypto.oprf.modes import Mode
from node.crypto.signer import LocalSigner
from node.screening.asking import (
    About,
    ConsentRequest,
    PersonAnswer,
    read_kyc_request,
    read_person_request,
    sign_consent_request,
    sign_person_answer,
)
from node.screening.attesting import Counter, admit, certify
from node.screening.consent_files import (
    ConsentFile,
    RevocationFile,
    read_consent_file,
    read_revocation_file,
    write_consent_file,
    write_revocation_file,
)
from node.screening.consents import Purpose, Scope, Trust, Use, check_consent
from node.screening.evidence import sign_evidence
from node.wallet import Wallet
from node.web.server import serve
from node.web.wallet_app import WalletPage, create_wallet_app

NOW_S = int(time.time())
DOMAIN = Domain(31_337, b"\x11" * 20)
PERSON = person_of(1)
KEYS = {member: LocalSigner(digest(f"member {member}")) for member in (1, 2, 3)}
TRUST = Trust(lambda member, key: member in KEYS and KEYS[member].address == key)


@pytest.fixture(autouse=True)
def _present() -> None:
    """Take the time when a test begins: the page knows its own, and files age in minutes."""
    globals()["NOW_S"] = int(time.time())


class Browser:
    """Her browser on her page."""

    def __init__(self) -> None:
        self.page = WalletPage(Wallet.create(PERSON, DOMAIN))
        self.stop, ready = threading.Event(), queue.Queue[str]()
        options = {"port": 0, "on_ready": ready.put, "stop_event": self.stop}
        app = create_wallet_app(self.page)
        self.server = threading.Thread(target=serve, args=(app,), kwargs=options, daemon=True)
        self.server.start()
        self.client = httpx.Client(base_url=ready.get(timeout=30), timeout=30)
        ask = self.page.wallet.request_certificate(3)
        self.certificate = certify(
            ask, PERSON, KEYS[3], member=3, domain=DOMAIN, valid_from_s=0, valid_to_s=NOW_S + 90_000
        )

    def post(self, act: str, code: int = 200, **fields: bytes | str) -> bytes:
        """Send a form; bytes are files."""
        files = {name: ("f", data) for name, data in fields.items() if isinstance(data, bytes)}
        texts = {name: text for name, text in fields.items() if isinstance(text, str)}
        answer = self.client.post(f"{self.page.base}/{act}", data=texts, files=files or None)
        assert answer.status_code == code, answer.text
        assert number_of(1) not in re.sub(r"\s", "", answer.text) or act == "ask"
        return answer.content


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Her page, served as the command serves it."""
    made = Browser()
    yield made
    made.client.close()
    made.stop.set()
    made.server.join(30)


def asked_for(person: object = PERSON) -> tuple[ConsentRequest, bytes]:
    """Return a reader's request about a person."""
    blinded = modes.blind(Mode.VOPRF, person.prf_input)  # type: ignore[attr-defined]
    asked = ConsentRequest(
        DOMAIN, 2, "<b>Reader</b>", Purpose.CREDIT, Scope.HIT, NOW_S, NOW_S + 600,
        blinded.blind, blinded.element,
    )  # fmt: skip
    return asked, sign_consent_request(asked, KEYS[2])


def test_the_page_is_hers_alone(browser: Browser) -> None:
    """Without the word of its address nothing answers; other sites and hosts are refused."""
    for path in ("/", "/wrong/", "/wrong/key", f"/{browser.page.word}x/"):
        assert browser.client.get(path).status_code == 404
    assert browser.client.post("/wrong/key", data={"member": "1"}).status_code == 404
    assert browser.client.post("/wrong/key", data={"member": ""}).status_code == 404
    url = f"{browser.page.base}/key"
    foreign = {"sec-fetch-site": "cross-site"}
    assert browser.client.post(url, data={"member": "1"}, headers=foreign).status_code == 403
    other = {"host": "evil.example"}
    assert browser.client.get(f"{browser.page.base}/", headers=other).status_code == 421
    shown = browser.client.get(f"{browser.page.base}/")
    assert shown.status_code == 200
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert "<script" not in shown.text
    assert number_of(1) not in shown.text


@pytest.mark.parametrize(("lang", "says"), [("zh", "您的钱包"), ("en", "Your wallet")])
def test_it_speaks_two_languages(browser: Browser, lang: str, says: str) -> None:
    """Chosen on the page and remembered."""
    assert says in browser.client.get(f"{browser.page.base}/?lang={lang}").text
    assert says in browser.client.get(f"{browser.page.base}/").text


def test_a_consent_is_shown_before_it_is_signed(browser: Browser) -> None:
    """What is asked stands on the page, escaped; only then her word gives the file, once."""
    asked, envelope = asked_for()
    shown = browser.post("consent", asked=envelope, certificate=browser.certificate).decode()
    assert "&lt;b&gt;Reader&lt;/b&gt;" in shown
    assert KEYS[2].address in shown
    (key,) = re.findall(r'name="key" value="([^"]+)"', shown)
    signed = read_consent_file(browser.post("sign", key=key))
    use = Use(2, Purpose.CREDIT, Scope.HIT, NOW_S, PERSON, asked.element)
    assert check_consent(signed.signed, use, DOMAIN, TRUST).enforced
    assert b"CONSENT_NOT_SHOWN" in browser.post("sign", code=422, key=key)
    data = browser.post("sign", code=422, key="guess")
    assert b"CONSENT_NOT_SHOWN" in data
    revoked = browser.post("revoke", consent_file=write_consent_file(signed))
    assert read_revocation_file(revoked).revocation_hash == signed.revocation_hash


def test_what_she_may_not_sign_is_refused_in_words(browser: Browser) -> None:
    """Somebody else's element, a file that is none, a form left empty: a code, and no file."""
    _, foreign = asked_for(person_of(2))
    cases: list[tuple[str, int, dict[str, bytes | str], bytes]] = [
        ("consent", 409, {"asked": foreign, "certificate": browser.certificate},
         b"WALLET_OTHER_ELEMENT"),
        ("consent", 422, {"asked": b"x", "certificate": b"y"}, b"ENVELOPE_MALFORMED"),
        ("consent", 422, {"asked": b"x"}, b"FORM_INCOMPLETE"),
        ("revoke", 422, {"consent_file": b"{}"}, b"PROOF_MALFORMED"),
        ("key", 422, {"member": "-1"}, b"FORM_INCOMPLETE"),
        ("ask", 422, {"member": "1", "about": "GOSSIP", "certificate": browser.certificate},
         b"PERSON_ASKS_WHAT"),
        ("ask", 422, {"member": "1", "about": "DISPUTE", "entry": "zz", "grounds": "x",
                      "certificate": browser.certificate}, b"DISPUTE_MALFORMED"),
        ("ask", 422, {"member": "1", "about": "DISPUTE", "entry": "ab" * 32, "grounds": " ",
                      "certificate": browser.certificate}, b"DISPUTE_MALFORMED"),
    ]  # fmt: skip
    for act, code, fields, says in cases:
        assert says in browser.post(act, code, **fields)
    browser.client.get(f"{browser.page.base}/?lang=zh")
    for act, code, fields, says in cases:
        shown = browser.post(act, code, **fields).decode()
        assert says.decode() in shown
        # In her language: no refusal on this page is left in English.
        assert not re.search(r'role="alert"><div lang="en"', shown), says
    browser.client.get(f"{browser.page.base}/?lang=en")


def test_she_asks_and_checks_the_answer(browser: Browser) -> None:
    """Her requests are admitted by a member; its answer is shown part by part."""
    request, key = read_kyc_request(browser.post("key", member="3"))
    assert (request.member, key) == (3, browser.page.wallet.key_towards(3).address)
    counter = Counter(1, DOMAIN, NOW_S, TRUST, lambda _nonce: False, allow_test=True)
    for about in About:
        extra = {"entry": "ab" * 32, "grounds": "paid"} if about is About.DISPUTE else {}
        ours = certify(
            browser.page.wallet.request_certificate(1),
            browser.page.wallet.identifier,
            KEYS[1],
            member=1,
            domain=DOMAIN,
            valid_from_s=NOW_S - 9_000,
            valid_to_s=NOW_S + 90_000,
        )
        second = browser.certificate if about is About.ENTRIES else b""
        asking = {"member": "1", "about": str(about), "certificate": ours, **extra}
        data = browser.post("ask", consent_certificate=second, **asking)
        if about is About.ENTRIES:
            refused = browser.post("ask", 409, consent_certificate=b"", **asking)
            assert b"WALLET_SECOND_CERTIFICATE" in refused
            other = {**asking, "certificate": browser.certificate}
            assert b"WALLET_OTHER_MEMBER" in browser.post("ask", 409, **other)
        assert admit(data, counter)[0].about is about
        if about is About.ENTRIES:
            asked = data
    nonce = read_person_request(asked)[0].nonce
    answer = PersonAnswer(1, nonce, NOW_S, evidence=(sign_evidence(evidence(), EXPORTER),))
    shown = browser.post("answer", asked=asked, answered=sign_person_answer(answer, KEYS[1]))
    assert b"something fails or is missing" in shown
    assert b"statement of the uploader: <span" in shown
    assert b"without it nothing shows that it is all" in shown
    assert b"the entry was LISTED" in shown
    page = shown.decode()
    whole = page.split('name="entry" value="', 1)[1][:64]
    assert f">{whole}</dd>" in page
    assert "overdue by three months or more" in page
    assert "it stands: a lookup of you finds it" in page
    # The form beside the entry, and the beginning of an id that was shown here.
    for word in (whole, whole[:6]):
        data = browser.post("ask", member="1", about="DISPUTE", certificate=ours,
                            entry=word, grounds="paid")  # fmt: skip
        assert admit(data, counter)[0].entry == bytes.fromhex(whole)


def test_what_is_listed_about_her_is_said_in_her_language(browser: Browser) -> None:
    """By whom, why, from when until when and its state, in Chinese and before the proofs."""
    asked = browser.post("ask", member="3", about="RECEIPTS", certificate=browser.certificate)
    nonce = read_person_request(asked)[0].nonce
    answer = PersonAnswer(3, nonce, NOW_S, evidence=(sign_evidence(evidence(), EXPORTER),))
    browser.client.get(f"{browser.page.base}/?lang=zh")
    shown = browser.post("answer", asked=asked, answered=sign_person_answer(answer, KEYS[3]))
    browser.client.get(f"{browser.page.base}/?lang=en")
    facts = shown.decode().split("关于您的条目", 1)[1].split("逐项证明", 1)[0]
    for says in ("成员 9", "逾期三个月及以上", "信用卡", "条目成立：查询您时会查得", "UTC+8"):
        assert says in facts
    assert "OVERDUE_M3" not in facts


def test_the_consent_of_an_entry_is_revoked_beside_it(browser: Browser) -> None:
    """By the file that came with the answer, or by a consent of hers; in both languages."""
    asked = browser.post("ask", member="3", about="RECEIPTS", certificate=browser.certificate)
    nonce = read_person_request(asked)[0].nonce
    shown_of = {"evidence": (sign_evidence(evidence(), EXPORTER),)}
    name = bytes.fromhex(str(rests_on()["consent"])[2:])
    file = write_revocation_file(RevocationFile(DOMAIN, 9, name, digest("a secret")))

    def shown(**more: tuple[bytes, ...]) -> str:
        answer = PersonAnswer(3, nonce, NOW_S, **shown_of, **more)
        data = sign_person_answer(answer, KEYS[3])
        return browser.post("answer", asked=asked, answered=data).decode()

    page = shown()
    whole = page.split('name="entry" value="', 1)[1][:64]
    assert "recorded by the institution on" in page
    assert "The consent to it that you signed" in page
    assert b"REVOKES_WHAT" in browser.post("revoke-entry", 422, entry=whole)
    other = browser.page.wallet.consent(*request(Purpose.LISTING, browser), now_s=NOW_S)
    consent = write_consent_file(ConsentFile(DOMAIN, other.signed, other.revocation_hash))
    refused = browser.post("revoke-entry", 422, entry=whole, consent_file=consent)
    assert b"the entry rests on another consent than this one" in refused
    assert b"REVOKES_WHAT" in browser.post("revoke", 422, consent_file=consent)
    assert "The consent to it that you signed" not in shown(revocations=(file,))
    assert browser.post("revoke-entry", entry=whole[:8]) == file
    browser.client.get(f"{browser.page.base}/?lang=zh")
    facts = shown().split("关于您的条目", 1)[1].split("逐项证明", 1)[0]
    browser.client.get(f"{browser.page.base}/?lang=en")
    assert "由机构记录，登记于" in facts
    assert "撤回对此条目的授权" in facts


def request(purpose: Purpose, browser: Browser) -> tuple[ConsentRequest, bytes, bytes]:
    """Return what the wallet signs for a purpose."""
    made = replace(asked_for()[0], purpose=purpose)
    return made, sign_consent_request(made, KEYS[2]), browser.certificate
