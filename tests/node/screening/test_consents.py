from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from listed_people import digest, person_of

from node.crypto.eip712 import Domain
from node.crypto.signer import LocalSigner
from node.screening.certificates import KycCertificate, read_certificate, sign_certificate
from node.screening.consents import (
    CONSENT_FIELDS,
    EVALUATION_FIELDS,
    Consent,
    Effect,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    Trust,
    Use,
    check_blind_consent,
    check_consent,
    check_listing_consent,
    evaluation_digest,
    person_commitment,
)
from node.screening.derivation import person_key
from reconcile.model import ZERO32, KanheError

DOMAIN = Domain(31_337, b"\x11" * 20)
PERSON = person_of()
SALT = digest("salt")
B = digest("blinded")
NOW_S = 1_795_147_200
READER, ISSUER = 2, 3
KEYS = {member: LocalSigner(digest(f"member {member}")) for member in (1, 2, 3)}
OWN = person_key(bytes(32), 31_337, ISSUER)
TRUST = Trust(lambda member, key: member in KEYS and KEYS[member].address == key)
USE = Use(READER, Purpose.CREDIT, Scope.HIT, NOW_S, PERSON, B)


def consent(level: Level = Level.PERSON, **changes: object) -> Consent:
    """Return a consent that `USE` may use."""
    made = Consent(
        READER,
        Purpose.CREDIT,
        Scope.HIT | Scope.RECORD,
        NOW_S - 60,
        NOW_S + 3_600,
        digest("nonce"),
        person_commitment(PERSON, SALT),
        hashlib.sha256(B).digest() if level is Level.PERSON else ZERO32,
        level,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def kyc(issuer: int = ISSUER, **changes: object) -> bytes:
    """Return a certificate of the person's key."""
    made = KycCertificate(
        issuer, OWN.address, person_commitment(PERSON, SALT), NOW_S - 9_000, NOW_S + 9_000
    )
    return sign_certificate(replace(made, **changes), KEYS[issuer])  # type: ignore[arg-type]


def signed(made: Consent, signer: LocalSigner, certificate: bytes = b"") -> SignedConsent:
    """Sign a consent with a secp256k1 key."""
    return SignedConsent(made, SALT, signer.sign_digest(made.digest(DOMAIN)), certificate)


def own_consent(**changes: object) -> SignedConsent:
    """Return a consent that the person signed with a key certified by another member."""
    return signed(consent(**changes), OWN, kyc())


@pytest.mark.parametrize(
    ("name", "fields"), [("Consent", CONSENT_FIELDS), ("Evaluation", EVALUATION_FIELDS)]
)
def test_digests_are_those_of_another_implementation(
    name: str, fields: tuple[tuple[str, str], ...]
) -> None:
    """A wallet that knows EIP-712 alone computes the digest that is checked here."""
    values = [n if kind.startswith("uint") else digest(f) for n, (kind, f) in enumerate(fields, 1)]
    message = encode_typed_data(
        domain_data={
            "name": "Kanhe",
            "version": "1",
            "chainId": DOMAIN.chain_id,
            "verifyingContract": f"0x{DOMAIN.contract.hex()}",
        },
        message_types={name: [{"name": field, "type": kind} for kind, field in fields]},
        message_data={field: v for (_, field), v in zip(fields, values, strict=True)},
    )
    theirs = keccak(b"\x19" + message.version + message.header + message.body)
    assert DOMAIN.digest_of(name, fields, values) == theirs


def test_the_person_s_own_consent_is_enforced() -> None:
    """Signed by her key, certified by another member, for this very element: level 3, enforced."""
    assert check_consent(own_consent(), USE, DOMAIN, TRUST) == Effect(Level.PERSON, enforced=True)


@pytest.mark.parametrize("certificate", [b"", kyc(READER)])
def test_a_key_that_only_the_reader_vouches_for_counts_as_level_1(certificate: bytes) -> None:
    """Without a certificate, or with the reader's own, it says no more than the reader says."""
    weak = signed(consent(), OWN, certificate)
    found = check_consent(weak, USE, DOMAIN, TRUST)
    assert found == Effect(Level.INSTITUTION, enforced=False)


def test_a_certificate_of_a_participant_counts_as_level_1() -> None:
    """One bank sponsors as many as it likes: whom it vouches for through one is its own word."""
    made = consent()
    given = SignedConsent(made, SALT, OWN.sign_digest(made.digest(DOMAIN)), kyc())
    assert check_consent(given, USE, DOMAIN, TRUST).enforced
    sponsored = replace(TRUST, may_certify=lambda member: member != ISSUER)
    found = check_consent(given, USE, DOMAIN, sponsored)
    assert (found.level, found.enforced) == (Level.INSTITUTION, False)


def test_the_institution_s_word_is_level_1(code_of: Callable[..., str]) -> None:
    """Signed by the reader's own key it counts at level 1; by another member's it is refused."""
    made = consent(Level.INSTITUTION)
    found = check_consent(signed(made, KEYS[READER]), USE, DOMAIN, TRUST)
    assert found == Effect(Level.INSTITUTION, enforced=False)
    foreign = signed(made, KEYS[1])
    assert code_of(check_consent, foreign, USE, DOMAIN, TRUST) == "CONSENT_SIGNATURE"


@pytest.mark.parametrize(
    ("use", "code"),
    [
        ({"reader": 1}, "CONSENT_FOREIGN"),
        ({"purpose": Purpose.MONITORING}, "CONSENT_PURPOSE"),
        ({"scope": Scope.EVIDENCE}, "CONSENT_SCOPE"),
        ({"scope": Scope.HIT | Scope.EVIDENCE}, "CONSENT_SCOPE"),
        ({"now_s": NOW_S - 61}, "CONSENT_NOT_YET"),
        ({"now_s": NOW_S + 3_601}, "CONSENT_EXPIRED"),
        ({"revoked": True}, "CONSENT_REVOKED"),
        ({"identifier": person_of(2)}, "CONSENT_OTHER_PERSON"),
        ({"blinded": digest("another")}, "CONSENT_OTHER_ELEMENT"),
        ({"bound_to": digest("another")}, "CONSENT_REPLAYED"),
    ],
)
def test_a_consent_for_something_else_is_refused(
    code_of: Callable[..., str], use: dict[str, object], code: str
) -> None:
    """Another reader, purpose, scope, time, person or element: each has its code."""
    other = replace(USE, **use)  # type: ignore[arg-type]
    assert code_of(check_consent, own_consent(), other, DOMAIN, TRUST) == code


def test_one_consent_serves_one_element(code_of: Callable[..., str]) -> None:
    """Below level 3 the element is bound at first use; the same element may be asked again."""
    made = signed(consent(Level.INSTITUTION), KEYS[READER])
    again = replace(USE, bound_to=hashlib.sha256(B).digest())
    assert check_consent(made, again, DOMAIN, TRUST).level is Level.INSTITUTION
    other = replace(again, blinded=digest("another"))
    assert code_of(check_consent, made, other, DOMAIN, TRUST) == "CONSENT_REPLAYED"


@pytest.mark.parametrize(
    "changes",
    [
        {"blinded": ZERO32},
        {"nonce": b"short"},
        {"scope": Scope(0)},
        {"valid_to_s": NOW_S - 61},
        {"valid_to_s": NOW_S + 400 * 86_400},
        {"level": Level.INSTITUTION},
    ],
)
def test_malformed_consents_are_refused(
    code_of: Callable[..., str], changes: dict[str, object]
) -> None:
    """Empty or endless periods, no scope, and an element at the wrong level are refused."""
    made = replace(consent(), **changes)  # type: ignore[arg-type]
    bare = SignedConsent(made, SALT, bytes(65), b"")
    assert code_of(check_consent, bare, USE, DOMAIN, TRUST) == "CONSENT_MALFORMED"


@pytest.mark.parametrize(
    "certificate",
    [
        kyc(key=KEYS[1].address),
        kyc(person=digest("somebody else")),
        kyc(valid_to_s=NOW_S - 1),
        kyc(valid_from_s=NOW_S + 1),
        sign_certificate(read_certificate(kyc())[0], KEYS[1]),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused(
    code_of: Callable[..., str], certificate: bytes
) -> None:
    """Another key or person, a past certificate, or one signed by another member: refused."""
    made = signed(consent(), OWN, certificate)
    assert code_of(check_consent, made, USE, DOMAIN, TRUST) == "CONSENT_CERTIFICATE"


def test_every_changed_byte_of_a_consent_is_found() -> None:
    """A flipped byte of signature, salt or certificate is refused or counts for less."""
    right = own_consent()
    for name in ("signature", "salt", "certificate"):
        data: bytes = getattr(right, name)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1
            with pytest.raises(KanheError):
                check_consent(replace(right, **{name: bytes(changed)}), USE, DOMAIN, TRUST)  # type: ignore[arg-type]


def test_a_consent_says_nothing_on_another_chain(code_of: Callable[..., str]) -> None:
    """The same signature under another domain is some stranger's."""
    other = Domain(1, DOMAIN.contract)
    assert code_of(check_consent, own_consent(), USE, other, TRUST) == "CONSENT_CERTIFICATE"


def authority(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    name: str,
    issuer: str,
    public: object,
    *,
    extensions: Sequence[x509.ExtensionType] | None = None,
) -> x509.Certificate:
    """Return a certificate for `public`, signed with `key`: for signatures, if nothing is said."""
    day = dt.timedelta(days=1)
    now = dt.datetime.fromtimestamp(NOW_S, dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(7)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
    )
    for extension in (key_usage("digital_signature"),) if extensions is None else extensions:
        made = made.add_extension(extension, critical=True)
    return made.sign(key, SHA256())


def key_usage(*uses: str) -> x509.KeyUsage:
    """Return a key usage of these names alone."""
    names = [*_USES, "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in uses for name in names})


_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
_SIGNS = key_usage("digital_signature")
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION


CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA = authority(CA_KEY, "Test authority", "Test authority", CA_KEY.public_key())


@pytest.mark.parametrize("begins_s", [253_402_300_800, 10**14, 2**63, 2**64 - 61])
def test_a_consent_at_a_time_without_a_date_is_refused(
    code_of: Callable[..., str], begins_s: int
) -> None:
    """Its maker chose the number, past the year 9999: no certificate is valid then."""
    made = replace(consent(Level.AUTHORITY), valid_from_s=begins_s, valid_to_s=begins_s + 60)
    own = ec.generate_private_key(ec.SECP256R1())
    der = authority(CA_KEY, "UTO", "Test authority", own.public_key()).public_bytes(Encoding.DER)
    far = SignedConsent(made, SALT, own.sign(made.digest(DOMAIN), ec.ECDSA(SHA256())), der)
    use, trusting = replace(USE, now_s=begins_s), replace(TRUST, authorities=(CA,))
    assert code_of(check_consent, far, use, DOMAIN, trusting) == "CONSENT_CERTIFICATE"


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_an_authority_s_certificate_is_level_2(code_of: Callable[..., str], kind: str) -> None:
    """Signed with a trusted certificate's key it counts at level 2; otherwise it is refused."""
    made = consent(Level.AUTHORITY)
    data = made.digest(DOMAIN)
    if kind == "ec":
        own = ec.generate_private_key(ec.SECP256R1())
        signature = own.sign(data, ec.ECDSA(SHA256()))
        public: object = own.public_key()
    else:
        rsa_key = rsa.generate_private_key(65_537, 2_048)
        signature = rsa_key.sign(data, padding.PKCS1v15(), SHA256())
        public = rsa_key.public_key()
    der = authority(CA_KEY, "UTO", "Test authority", public).public_bytes(Encoding.DER)
    right = SignedConsent(made, SALT, signature, der)
    trusting = replace(TRUST, authorities=(CA,))
    assert check_consent(right, USE, DOMAIN, trusting) == Effect(Level.AUTHORITY, enforced=False)
    assert code_of(check_consent, right, USE, DOMAIN, TRUST) == "CONSENT_CERTIFICATE"
    other = replace(right, consent=replace(made, nonce=digest("other")))
    assert code_of(check_consent, other, USE, DOMAIN, trusting) == "CONSENT_SIGNATURE"
    self_made = authority(CA_KEY, "UTO", "Nobody", public).public_bytes(Encoding.DER)
    stranger = replace(right, certificate=self_made)
    assert code_of(check_consent, stranger, USE, DOMAIN, trusting) == "CONSENT_CERTIFICATE"


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ([], "does not say that its key signs"),
        ([key_usage("key_encipherment", "key_agreement")], "is not for signatures"),
        ([_SIGNS, x509.ExtendedKeyUsage([_SERVER])], "for TLS connections"),
        ([_SIGNS, x509.ExtendedKeyUsage([_CLIENT, _EMAIL])], "for TLS connections"),
        ([_SIGNS, x509.BasicConstraints(ca=True, path_length=None)], "an authority's own"),
        ([key_usage("digital_signature", "key_cert_sign")], "an authority's own"),
        ([key_usage("content_commitment")], ""),
        ([_SIGNS, x509.ExtendedKeyUsage([_EMAIL])], ""),
        ([_SIGNS, x509.BasicConstraints(ca=False, path_length=None)], ""),
    ],
)
def test_a_certificate_for_another_use_signs_no_consent(
    extensions: list[x509.ExtensionType], says: str
) -> None:
    """A web server's, a client's, an authority's: of the trusted authority, and no person's."""
    made = consent(Level.AUTHORITY)
    own = ec.generate_private_key(ec.SECP256R1())
    signature = own.sign(made.digest(DOMAIN), ec.ECDSA(SHA256()))
    issued = authority(CA_KEY, "UTO", "Test authority", own.public_key(), extensions=extensions)
    given = SignedConsent(made, SALT, signature, issued.public_bytes(Encoding.DER))
    trusting = replace(TRUST, authorities=(CA,))
    if not says:
        assert check_consent(given, USE, DOMAIN, trusting).level is Level.AUTHORITY
        return
    with pytest.raises(KanheError, match=says) as caught:
        check_consent(given, USE, DOMAIN, trusting)
    assert caught.value.code == "CONSENT_CERTIFICATE"


def test_other_certificates_are_refused(code_of: Callable[..., str]) -> None:
    """No certificate, an expired one, and one with a key that is not verified here."""
    made = consent(Level.AUTHORITY, valid_to_s=NOW_S + 30 * 86_400)
    trusting = replace(TRUST, authorities=(CA,))
    odd = authority(
        CA_KEY, "UTO", "Test authority", ed25519.Ed25519PrivateKey.generate().public_key()
    )
    der = odd.public_bytes(Encoding.DER)
    late = replace(USE, now_s=NOW_S + 2 * 86_400)
    for certificate, use in [(b"", USE), (b"junk", USE), (der, USE), (der, late)]:
        given = SignedConsent(made, SALT, bytes(64), certificate)
        assert code_of(check_consent, given, use, DOMAIN, trusting) == "CONSENT_CERTIFICATE"


def test_an_evaluation_binds_ticket_element_consent_and_epoch() -> None:
    """Two signatures for one ticket are over different digests, which proves its double use."""
    base = {"ticket": 1, "blinded": B, "consent": digest("c"), "key_epoch": 1}
    others = [{"ticket": 2}, {"blinded": digest("b2")}, {"consent": digest("d")}, {"key_epoch": 2}]
    digests = {evaluation_digest(DOMAIN, **{**base, **item}) for item in [{}, *others]}  # type: ignore[arg-type]
    assert len(digests) == 5


def test_no_salt_shows() -> None:
    """The salt of a consent is not in what a log would print."""
    assert SALT.hex() not in repr(own_consent())
    assert repr(SALT) not in repr(own_consent())


def test_a_consent_to_be_listed_is_for_that_alone(code_of: Callable[..., str]) -> None:
    """It holds for its member, person, purpose and time; nobody is looked up on it."""
    listing = own_consent(purpose=Purpose.LISTING)

    def held(given: SignedConsent, uploader: int = READER, who: object = PERSON) -> object:
        return check_listing_consent(given, uploader, who, DOMAIN, TRUST, at_s=NOW_S)  # type: ignore[arg-type]

    assert held(listing) == Effect(Level.PERSON, enforced=True)
    weak = signed(consent(purpose=Purpose.LISTING), OWN, kyc(READER))
    assert held(weak) == Effect(Level.INSTITUTION, enforced=False)
    assert code_of(held, own_consent()) == "CONSENT_PURPOSE"
    assert code_of(held, listing, 1) == "CONSENT_FOREIGN"
    assert code_of(held, listing, READER, person_of(2)) == "CONSENT_OTHER_PERSON"
    over = own_consent(purpose=Purpose.LISTING, valid_to_s=NOW_S - 1)
    assert code_of(held, over) == "CONSENT_EXPIRED"
    stranger = signed(consent(purpose=Purpose.LISTING), KEYS[1], kyc())
    assert code_of(held, stranger) == "CONSENT_CERTIFICATE"
    asked = replace(USE, purpose=Purpose.LISTING)
    assert code_of(check_consent, listing, asked, DOMAIN, TRUST) == "CONSENT_PURPOSE"
    blind = replace(listing, salt=b"")
    assert code_of(check_blind_consent, blind, asked, DOMAIN, TRUST) == "CONSENT_PURPOSE"
    assert code_of(check_consent, listing, USE, DOMAIN, TRUST) == "CONSENT_PURPOSE"
