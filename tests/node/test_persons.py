"""A person's side: keys, consents, requests and answers, by the library and by the command."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

sys.path.insert(0, str(Path(__file__).parent / "screening"))

from listed_people import UPLOADER, digest, number_of, person_of
from test_evidence import EXPORTER, evidence
from test_receipts import make, signed

from node.cli import main
from node.crypto.eip712 import Domain
from node.crypto.oprf import group, modes
from node.crypto.oprf.modes import Mode
from node.crypto.signer import LocalSigner
from node.screening.asking import (
    About,
    ConsentRequest,
    PersonAnswer,
    PersonRequest,
    read_consent_request,
    read_kyc_request,
    read_person_request,
    sign_consent_request,
    sign_person_answer,
)
from node.screening.attesting import Counter, admit, certify
from node.screening.certificates import read_certificate
from node.screening.consent_files import (
    ConsentFile,
    read_consent_file,
    read_revocation_file,
    write_consent_file,
)
from node.screening.consents import (
    Level,
    Purpose,
    Scope,
    Trust,
    Use,
    check_consent,
)
from node.screening.derivation import person_key
from node.screening.evidence import sign_evidence
from node.screening.identifiers import Identifier
from node.screening.receipts import blind_consent_json, consent_json
from node.wallet import Consented, Wallet, read_back
from reconcile.model import KanheError

DOMAIN = Domain(31_337, b"\x11" * 20)
PERSON = person_of(1)
READER, ISSUER = 2, 3
KEYS = {member: LocalSigner(digest(f"member {member}")) for member in (1, 2, 3)}
TRUST = Trust(lambda member, key: member in KEYS and KEYS[member].address == key)
NOW_S = 1_795_147_200
PASSPHRASE = "correct horse 电池"


def code_of(call: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the code of the refusal that a call ends in."""
    with pytest.raises(KanheError) as caught:
        call(*arguments, **options)
    assert PERSON.value not in str(caught.value)
    return caught.value.code


@pytest.fixture(scope="module")
def wallet() -> Wallet:
    """A wallet."""
    return Wallet.create(PERSON, DOMAIN)


def certificate_of(wallet: Wallet, issuer: int = ISSUER, **times: int) -> bytes:
    """Let a member certify the wallet's key towards it."""
    period = {"valid_from_s": NOW_S - 9_000, "valid_to_s": NOW_S + 90_000, **times}
    return certify(
        wallet.request_certificate(issuer),
        wallet.identifier,
        KEYS[issuer],
        member=issuer,
        domain=DOMAIN,
        **period,
    )


def asked_of(person: Identifier = PERSON, **changes: object) -> ConsentRequest:
    """Return a reader's request for consent to one lookup."""
    scalar = group.random_scalar()
    element = modes.blind(Mode.VOPRF, person.prf_input, scalar=scalar).element
    made = ConsentRequest(
        DOMAIN,
        READER,
        "Reader Bank",
        Purpose.CREDIT,
        Scope.HIT,
        NOW_S,
        NOW_S + 3_600,
        scalar,
        element,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def consented(wallet: Wallet, asked: ConsentRequest, certificate: bytes | None = None) -> Consented:
    """Let the wallet sign."""
    envelope = sign_consent_request(asked, KEYS[READER])
    return wallet.consent(asked, envelope, certificate or certificate_of(wallet), now_s=NOW_S)


def test_readers_cannot_link_their_consents(wallet: Wallet) -> None:
    """One member certifies a key for each reader: no field of two consents is the same.

    The request that it certifies names no reader; a key towards another reader is refused.
    """
    made = {}
    for reader in (READER, READER + 7):
        request = wallet.request_certificate(ISSUER, towards=reader)
        assert read_kyc_request(request)[0].member == ISSUER
        certificate = certify(
            request,
            PERSON,
            KEYS[ISSUER],
            member=ISSUER,
            domain=DOMAIN,
            valid_from_s=NOW_S - 60,
            valid_to_s=NOW_S + 3_600,
        )
        made[reader] = (consented(wallet, asked_of(reader=reader), certificate), certificate)
        other = asked_of(reader=reader + 1)
        assert code_of(consented, wallet, other, certificate) == "WALLET_CERTIFICATE"
    (one, first), (two, second) = made.values()
    assert read_certificate(first)[0].key != read_certificate(second)[0].key
    blind = [blind_consent_json(item.signed) for item in (one, two)]
    names = {name for name in blind[0] if blind[0][name] == blind[1][name]}
    assert names == {"level", "purpose", "scope", "valid_from_s", "valid_to_s"}
    assert one.signed.salt != two.signed.salt


def test_a_wallet_is_one_file_under_a_passphrase(tmp_path: Path, wallet: Wallet) -> None:
    """Private, never written over, opened by its passphrase alone; the file shows nobody."""
    path = tmp_path / "me.json"
    wallet.save(path, PASSPHRASE, scrypt_n=2)
    assert path.stat().st_mode & 0o777 == 0o600
    again = Wallet.open(path, PASSPHRASE)
    assert (again.identifier, again.domain) == (PERSON, DOMAIN)
    assert again.key_towards(3).address == wallet.key_towards(3).address
    assert PERSON.value not in path.read_text() + repr(wallet)
    assert code_of(wallet.save, path, PASSPHRASE) == "WALLET_EXISTS"
    assert code_of(Wallet.open, path, "another phrase") == "KEYSTORE_PASSPHRASE"
    assert code_of(Wallet.open, tmp_path / "none", PASSPHRASE) == "FILE_UNREADABLE"
    assert code_of(wallet.save, tmp_path / "x", "short") == "KEYSTORE_PASSPHRASE_WEAK"


def test_members_cannot_link_a_person(wallet: Wallet) -> None:
    """Towards each member key, salt and commitment are others, and none leads to another."""
    requests = [read_kyc_request(wallet.request_certificate(member)) for member in range(1, 9)]
    assert len({key for _, key in requests}) == 8
    assert len({asked.person for asked, _ in requests}) == 8
    assert len({asked.salt for asked, _ in requests}) == 8
    assert wallet.key_towards(1).address == read_kyc_request(wallet.request_certificate(1))[1]
    assert person_key(bytes(32), 1, 2).address != person_key(bytes(32), 2, 1).address


def test_a_member_certifies_whom_it_identified(wallet: Wallet) -> None:
    """The document's person, for this member and network, with the key that signed the request."""
    found, issuers = read_certificate(certificate_of(wallet))
    assert (found.issuer, found.key) == (ISSUER, wallet.key_towards(ISSUER).address)
    assert issuers == (KEYS[ISSUER].address,)
    ask = wallet.request_certificate(ISSUER)
    options = {"member": ISSUER, "domain": DOMAIN, "valid_from_s": 0, "valid_to_s": 9}
    assert code_of(certify, ask, person_of(2), KEYS[3], **options) == "KYC_OTHER_PERSON"
    elsewhere = {**options, "member": 1}
    assert code_of(certify, ask, PERSON, KEYS[1], **elsewhere) == "KYC_FOREIGN"
    network = {**options, "domain": Domain(1, bytes(20))}
    assert code_of(certify, ask, PERSON, KEYS[3], **network) == "KYC_FOREIGN"


def test_a_consent_is_for_the_very_element(wallet: Wallet) -> None:
    """The reader's check takes it at level 3, as signed by the person for this lookup."""
    asked = asked_of()
    made = consented(wallet, asked)
    use = Use(READER, Purpose.CREDIT, Scope.HIT, NOW_S, PERSON, asked.element)
    effect = check_consent(made.signed, use, DOMAIN, TRUST)
    assert (effect.level, effect.enforced) == (Level.PERSON, True)
    other = replace(use, blinded=asked_of().element)
    assert code_of(check_consent, made.signed, other, DOMAIN, TRUST) == "CONSENT_OTHER_ELEMENT"


def test_nothing_is_signed_for_somebody_else(wallet: Wallet) -> None:
    """Another person's element, network or time, a certificate of another key: refused before."""
    good = certificate_of(wallet)
    stranger = Wallet.create(person_of(2), DOMAIN)
    cases = [
        (asked_of(purpose=Purpose.OWN_RECORD), good, "WALLET_PURPOSE"),
        (asked_of(person_of(2)), good, "WALLET_OTHER_ELEMENT"),
        (asked_of(blind=bytes(32)), good, "WALLET_OTHER_ELEMENT"),
        (asked_of(element=asked_of().element), good, "WALLET_OTHER_ELEMENT"),
        (asked_of(domain=Domain(1, DOMAIN.contract)), good, "WALLET_OTHER_NETWORK"),
        (asked_of(valid_to_s=NOW_S - 1), good, "WALLET_PERIOD"),
        (asked_of(valid_to_s=NOW_S + 400 * 86_400), good, "WALLET_PERIOD"),
        (asked_of(scope=Scope(0)), good, "WALLET_PERIOD"),
        (asked_of(), certificate_of(stranger), "WALLET_CERTIFICATE"),
        (asked_of(), certificate_of(wallet, valid_to_s=NOW_S - 1), "WALLET_CERTIFICATE"),
    ]
    for asked, certificate, code in cases:
        assert code_of(consented, wallet, asked, certificate) == code


def test_the_same_request_gives_the_same_consent(wallet: Wallet) -> None:
    """Asked twice it is one consent on the ledger; another request is another nonce."""
    asked, certificate = asked_of(), certificate_of(wallet)
    first, again = (consented(wallet, asked, certificate) for _ in range(2))
    assert first == again
    other = consented(wallet, asked_of(), certificate)
    assert other.signed.consent.nonce != first.signed.consent.nonce


def test_a_consent_is_revoked_by_a_secret_of_the_seed(wallet: Wallet, tmp_path: Path) -> None:
    """The hash was handed over with it; a wallet restored from its file has the secret again."""
    made = consented(wallet, asked_of())
    wallet.save(tmp_path / "copy", PASSPHRASE, scrypt_n=2)
    secret = Wallet.open(tmp_path / "copy", PASSPHRASE).revocation_of(made.digest)
    assert keccak(secret) == made.revocation_hash
    data = write_consent_file(ConsentFile(DOMAIN, made.signed, made.revocation_hash))
    assert read_consent_file(data).digest == made.digest
    for bad in (data[:-1], data.replace(b"consent/1", b"consent/2"), b"{}\n", b"no"):
        assert code_of(read_consent_file, bad) == "PROOF_MALFORMED"
    changed = bytearray(data)
    changed[data.index(b'"digest":"') + 12] ^= 1
    assert code_of(read_consent_file, bytes(changed)) == "PROOF_MALFORMED"


def counter(**changes: object) -> Counter:
    """Return member 1, which is asked."""
    made = Counter(1, DOMAIN, NOW_S, TRUST, lambda _nonce: False, allow_test=True)
    return replace(made, **changes)  # type: ignore[arg-type]


def asking(wallet: Wallet, about: About, member: int = 1, **options: object) -> bytes:
    """Return her request to a member that certified her key; member 3 certified her consent's."""
    words = {"consent_certificate": certificate_of(wallet)} if about is About.ENTRIES else {}
    own = certificate_of(wallet, member)
    return wallet.ask(member, about, own, now_s=NOW_S, **{**words, **options})  # type: ignore[arg-type]


def answered(wallet: Wallet, **changes: object) -> tuple[PersonRequest, PersonAnswer]:
    """Return a request about entries and what member 2 answers to it."""
    receipt = make(1, listed=True)
    asked, _ = read_person_request(asking(wallet, About.ENTRIES, READER))
    # The lookup was made with the blind and the purpose of the request.
    asked = replace(asked, blind=receipt.blind, member=receipt.consent.consent.reader)
    answer = PersonAnswer(
        asked.member,
        asked.nonce,
        NOW_S,
        (signed(receipt),),
        (sign_evidence(evidence(), EXPORTER),),
    )
    return asked, replace(answer, **changes)  # type: ignore[arg-type]


def test_an_answer_is_verified_part_by_part(wallet: Wallet) -> None:
    """Each receipt and bundle offline; what the lookup found and nobody showed is missing."""
    asked, answer = answered(wallet)
    found = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    assert found.signed_by == KEYS[READER].address
    assert [one.ok for one in (*found.receipts, *found.evidence)] == [True, True]
    assert any(UPLOADER.address in line for line in found.evidence[0].proved)
    # The receipt of these tests is of a credit lookup: for her own record that is not it.
    assert found.missing == ["the lookup that was asked for: its receipt is of another one"]
    asked, answer = answered(wallet, evidence=())
    short = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    assert any(line.startswith("evidence of entry") for line in short.missing)
    asked, answer = answered(wallet, receipts=(), evidence=())
    none = read_back(wallet, asked, sign_person_answer(answer, KEYS[READER]))
    assert not none.ok
    assert "without it nothing shows that it is all" in none.missing[0]


def test_an_answer_to_another_or_about_another_is_refused(wallet: Wallet) -> None:
    """A nonce that was not asked, or somebody else's receipt or evidence."""
    asked, answer = answered(wallet, nonce=digest("other"))
    data = sign_person_answer(answer, KEYS[READER])
    assert code_of(read_back, wallet, asked, data) == "WALLET_OTHER_ANSWER"
    for part in ({"receipts": (signed(make(2, listed=True)),)},):
        asked, answer = answered(wallet, **part)
        data = sign_person_answer(answer, KEYS[READER])
        assert code_of(read_back, wallet, asked, data) == "WALLET_OTHER_PERSON"
    stranger = Wallet.create(person_of(2), DOMAIN)
    asked, answer = answered(wallet, receipts=())
    data = sign_person_answer(answer, KEYS[READER])
    assert code_of(read_back, stranger, asked, data) == "WALLET_OTHER_PERSON"


def test_the_command_does_all_of_it_with_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Key, certificate, consent, revocation, entries, receipts, dispute: no node, no identifier."""
    monkeypatch.setenv("KANHE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("node.wallet.keeping.SCRYPT_N", 2)
    monkeypatch.setattr(Wallet.save, "__kwdefaults__", {"scrypt_n": 2})
    monkeypatch.setattr("time.time", lambda: float(NOW_S))
    names = (
        "id",
        "me",
        "kyc",
        "cert",
        "ask",
        "consent",
        "revoke",
        "entries",
        "grounds",
        "out",
        "ours",
    )
    files = {name: tmp_path / name for name in names}
    files["id"].write_text(number_of(1) + "\n")
    files["grounds"].write_text("已于五月结清\n", encoding="utf-8")
    me = ["--wallet", str(files["me"])]

    def run(*words: str) -> str:
        assert main(["person", *words]) == 0
        said = "".join(capfd.readouterr())
        assert number_of(1) not in said
        return said

    network = ["--chain-id", "31337", "--lookups", f"0x{DOMAIN.contract.hex()}"]
    run("key", "new", str(files["me"]), *network, "--id-type", "CN-RID", "--id-file",
        str(files["id"]), "--test-identifiers")  # fmt: skip
    run("key", "request", *me, "--member", str(ISSUER), "--out", str(files["kyc"]))
    cert = certify(files["kyc"].read_bytes(), PERSON, KEYS[ISSUER], member=ISSUER, domain=DOMAIN,
                   valid_from_s=0, valid_to_s=NOW_S + 9)  # fmt: skip
    files["cert"].write_bytes(cert)
    own = [*me, "--certificate", str(files["cert"])]
    asked = asked_of()
    files["ask"].write_bytes(sign_consent_request(asked, KEYS[READER]))
    assert main(["person", "consent", str(files["ask"]), *own, "--out", str(files["out"])]) == 2
    assert not files["out"].exists()
    said = run("consent", str(files["ask"]), *own, "--out", str(files["consent"]), "--yes")
    assert "member 2, which calls itself 'Reader Bank'" in said
    found = read_consent_file(files["consent"].read_bytes())
    use = Use(READER, Purpose.CREDIT, Scope.HIT, NOW_S, PERSON, asked.element)
    assert check_consent(found.signed, use, DOMAIN, TRUST).enforced
    run("revoke", str(files["consent"]), *me, "--out", str(files["revoke"]))
    revocation = read_revocation_file(files["revoke"].read_bytes())
    assert revocation.revocation_hash == found.revocation_hash
    files["ours"].write_bytes(certificate_of(Wallet.open(files["me"], PASSPHRASE), 1))
    to = [*me, "--certificate", str(files["ours"]), "--member", "1", "--out"]
    run("entries", "--consent-certificate", str(files["cert"]), *to, str(files["entries"]))
    assert admit(files["entries"].read_bytes(), counter())[0].about is About.ENTRIES
    run("receipts", *to, str(files["out"]))
    assert admit(files["out"].read_bytes(), counter())[0].about is About.RECEIPTS
    run("dispute", digest("e").hex(), "--grounds", str(files["grounds"]), *to, str(files["out"]))
    disputed, _ = admit(files["out"].read_bytes(), counter())
    assert (disputed.entry, disputed.grounds) == (digest("e"), "已于五月结清")
    nonce = read_person_request(files["entries"].read_bytes())[0].nonce
    answer = PersonAnswer(1, nonce, NOW_S, evidence=(sign_evidence(evidence(), EXPORTER),))
    files["out"].write_bytes(sign_person_answer(answer, KEYS[1]))
    words = ["--request", str(files["entries"]), "--answer", str(files["out"]), "--json"]
    assert main(["person", "entries", *me, *words]) == 1
    told = json.loads(capfd.readouterr().out)
    assert told["evidence"][0]["ok"]
    assert len(told["missing"]) == 1
    assert main(["person", "entries", *me]) == 2


def test_messages_read_back_in_one_form(wallet: Wallet) -> None:
    """A consent request keeps what was asked; anything else than its form is refused."""
    asked = asked_of()
    data = sign_consent_request(asked, KEYS[READER])
    assert read_consent_request(data) == (asked, KEYS[READER].address)
    assert code_of(read_kyc_request, data) == "FILE_OTHER_KIND"
    assert code_of(read_person_request, wallet.request_certificate(1)) == "FILE_OTHER_KIND"
    assert code_of(read_consent_request, data[:-1]) == "ENVELOPE_MALFORMED"
    first = consented(wallet, asked)
    body = consent_json(first.signed)
    assert body["blinded"] == hashlib.sha256(asked.element).hexdigest()
