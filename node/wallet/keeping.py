"""A person's wallet: one file under her passphrase, and what she signs with it.

It holds her seed and her identifier. Keys, salts, nonces and the secrets that revoke follow from
the seed, so the file and the passphrase are all that she has to keep. Nothing here knows a node.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from eth_utils.crypto import keccak

from node.crypto.eip712 import Domain
from node.crypto.files import write_private
from node.crypto.keyfile import MAX_FILE_BYTES, SCRYPT_N, KeyFacts, KeyRole, lock, unlock
from node.crypto.oprf import group, modes
from node.crypto.oprf.modes import Mode
from node.crypto.signer import LocalSigner
from node.screening.asking import (
    About,
    ConsentRequest,
    KycRequest,
    PersonAnswer,
    PersonRequest,
    read_person_answer,
    sign_kyc_request,
    sign_person_request,
)
from node.screening.certificates import read_certificate
from node.screening.consent_files import ConsentFile, RevocationFile, write_revocation_file
from node.screening.consents import (
    MAX_VALIDITY_S,
    Consent,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    person_commitment,
)
from node.screening.derivation import (
    SEED_BYTES,
    person_key,
    person_nonce,
    person_salt,
    revocation_secret,
)
from node.screening.identifiers import Identifier, IdType, read_identifier
from reconcile.model import InputError, OutsideError, ProtocolError, UsageError, Where

OWN_RECORD_VALIDITY_S: Final = 3_600


class _Secret(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    seed: bytes
    id_type: IdType
    id_value: str
    chain_id: str
    contract: bytes


@dataclass(frozen=True, slots=True)
class Consented:
    """A consent that she signed, its name on the ledger, and the hash that lets her revoke it."""

    signed: SignedConsent
    digest: bytes
    revocation_hash: bytes


class Wallet:
    """An open wallet, for one network."""

    def __init__(self, seed: bytes, identifier: Identifier, domain: Domain) -> None:
        """Take the seed, whose it is, and the network (chain id and the contract `Lookups`)."""
        assert len(seed) == SEED_BYTES, "a seed is 32 bytes"
        self._seed = seed
        self.identifier = identifier
        self.domain = domain

    def __repr__(self) -> str:
        """Show the network, never the person."""
        return f"Wallet(chain_id={self.domain.chain_id})"

    @classmethod
    def create(
        cls,
        identifier: Identifier,
        domain: Domain,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Wallet:
        """Make a wallet with a new seed."""
        return cls(randomness(SEED_BYTES), identifier, domain)

    # ------------------------------------------------------------------ the file
    def save(self, path: Path, passphrase: str, *, scrypt_n: int = SCRYPT_N) -> None:
        """Write the file, private and whole.

        Raises `UsageError` WALLET_EXISTS, `InputError` KEYSTORE_PASSPHRASE_WEAK, `OutsideError`
        DISK_WRITE.
        """
        if path.exists():
            raise UsageError(
                "WALLET_EXISTS",
                f"{path} is there already",
                help="name another file: a wallet that is written over is lost",
            )
        secret = msgspec.msgpack.encode(
            _Secret(
                self._seed,
                self.identifier.type,
                self.identifier.value,
                str(self.domain.chain_id),
                self.domain.contract,
            )
        )
        facts = KeyFacts(str(uuid.uuid4()), KeyRole.PERSON, None, "kanhe wallet")
        write_private(path, lock(secret, facts, passphrase, scrypt_n=scrypt_n))

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Wallet:
        """Open a wallet; raises `InputError` WALLET_MALFORMED, KEYSTORE_PASSPHRASE and the like."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise OutsideError(
                "FILE_UNREADABLE",
                f"the wallet cannot be read: {error.strerror}",
                where=Where(str(path)),
                help="check the path and its permissions",
            ) from None
        try:
            body = msgspec.msgpack.decode(unlock(data, passphrase, path.name), type=_Secret)
            # Whoever holds the file decided once whether such a person may exist.
            identifier = read_identifier(body.id_type, body.id_value, allow_test=True)
            domain = Domain(int(body.chain_id), body.contract)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            raise InputError(
                "WALLET_MALFORMED",
                "the file holds another key than a wallet's",
                where=Where(path.name),
                help="name the file that `kanhe person key` wrote",
            ) from None
        return cls(body.seed, identifier, domain)

    # ------------------------------------------------------------------ keys
    def key_towards(self, member: int) -> LocalSigner:
        """Return her key towards a member: no two members can link theirs."""
        return person_key(self._seed, self.domain.chain_id, member)

    def salt_towards(self, member: int) -> bytes:
        """Return the salt of her commitment towards a member."""
        return person_salt(self._seed, self.domain.chain_id, member)

    def request_certificate(self, member: int, *, towards: int | None = None) -> bytes:
        """Return what she hands a member that identifies her: key, commitment and its salt.

        The key is hers towards that member, or towards a reader, whose name the request does not
        hold: with a certificate for each no two readers can tell that they asked about one person.
        """
        whom = member if towards is None else towards
        salt = self.salt_towards(whom)
        person = person_commitment(self.identifier, salt)
        asked = KycRequest(self.domain, member, self.identifier.type, person, salt)
        return sign_kyc_request(asked, self.key_towards(whom))

    # ------------------------------------------------------------------ consents
    def consent(
        self, asked: ConsentRequest, envelope: bytes, certificate: bytes, *, now_s: int
    ) -> Consented:
        """Sign a consent for the very element that is asked about, recomputed from the blind.

        `envelope` is the request as it came: the same one always gives the same consent. Raises
        `ProtocolError` WALLET_OTHER_NETWORK, WALLET_PURPOSE, WALLET_OTHER_ELEMENT, WALLET_PERIOD
        and WALLET_CERTIFICATE, each before anything is signed.
        """
        if asked.domain != self.domain:
            raise _refuse("WALLET_OTHER_NETWORK", "chain_id", "is for another network")
        if asked.purpose is Purpose.OWN_RECORD:
            # Lookups for it cost a reader nothing: she asks for them herself, by `ask`.
            raise _refuse("WALLET_PURPOSE", "purpose", "is a reader's for her own query")
        scalar = group.scalar(asked.blind, "blind")
        if scalar == group.ZERO or self._blinded(scalar) != asked.element:
            raise _refuse("WALLET_OTHER_ELEMENT", "element", "would look somebody else up")
        length = asked.valid_to_s - asked.valid_from_s
        if not 0 < length <= MAX_VALIDITY_S or asked.valid_to_s <= now_s or not asked.scope:
            raise _refuse("WALLET_PERIOD", "valid_to_s", "is over, or for more than a year")
        _, whom = self._certified(certificate, now_s, asked.reader)
        nonce = person_nonce(self._seed, hashlib.sha256(envelope).digest())
        return self._signed(
            Consent(
                asked.reader,
                asked.purpose,
                asked.scope,
                asked.valid_from_s,
                asked.valid_to_s,
                nonce,
                person_commitment(self.identifier, self.salt_towards(whom)),
                hashlib.sha256(asked.element).digest(),
                Level.PERSON,
            ),
            whom,
            certificate,
        )

    def revocation_of(self, consent: bytes) -> bytes:
        """Return the secret that revokes a consent, by the consent's digest."""
        return revocation_secret(self._seed, consent)

    def listing_revocation(self, file: ConsentFile, uploader: int, digest: bytes) -> bytes | None:
        """Return what revokes an entry's record of a consent that she signed with this wallet.

        `digest` is the name under which the uploader recorded it. None where another signed it.
        """
        secret = self.revocation_of(file.digest)
        if keccak(secret) != file.revocation_hash:
            return None
        return write_revocation_file(RevocationFile(self.domain, uploader, digest, secret))

    # ------------------------------------------------------------------ asking a member
    def ask(
        self,
        member: int,
        about: About,
        certificate: bytes,
        *,
        now_s: int,
        consent_certificate: bytes | None = None,
        entry: bytes | None = None,
        grounds: str = "",
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> bytes:
        """Return a signed request to a member: her entries, her receipts, or a dispute.

        `certificate` is the asked member's own: it answers those whom it identified itself. For her
        entries she makes the blinded element herself and consents to its evaluation, which counts
        as hers by `consent_certificate`, of another member. Raises `ProtocolError`
        WALLET_CERTIFICATE, WALLET_OTHER_MEMBER, WALLET_SECOND_CERTIFICATE.
        """
        issuer, _ = self._certified(certificate, now_s)
        if issuer != member:
            raise _refuse(
                "WALLET_OTHER_MEMBER",
                "certificate",
                f"to member {member} comes with a certificate of member {issuer}",
                f"Nothing was signed; let member {member} identify you and certify your key.",
            )
        nonce = randomness(32)
        consent = blind = None
        if about is About.ENTRIES:
            consent_certificate, whom = self._second(member, consent_certificate, now_s)
            blind = group.random_scalar(randomness)
            element = self._blinded(blind)
            own = Consent(
                member,
                Purpose.OWN_RECORD,
                Scope.HIT | Scope.RECORD | Scope.EVIDENCE,
                now_s - OWN_RECORD_VALIDITY_S,
                now_s + OWN_RECORD_VALIDITY_S,
                nonce,
                person_commitment(self.identifier, self.salt_towards(whom)),
                hashlib.sha256(element).digest(),
                Level.PERSON,
            )
            consent = self._signed(own, whom, consent_certificate).signed
        asked = PersonRequest(
            self.domain,
            member,
            about,
            now_s,
            nonce,
            self.identifier.type,
            self.identifier.value,
            self.salt_towards(issuer),
            certificate,
            consent,
            blind,
            entry,
            grounds,
        )
        return sign_person_request(asked, self.key_towards(issuer))

    def read_answer(self, data: bytes, asked: PersonRequest) -> tuple[PersonAnswer, str]:
        """Return a member's answer to a request of hers, and the key that signed it.

        What it holds is verified one by one by `weighing` and `verifying`. Raises `ProtocolError`
        WALLET_OTHER_ANSWER.
        """
        answer, signer = read_person_answer(data)
        if answer.nonce != asked.nonce or answer.member != asked.member:
            raise _refuse("WALLET_OTHER_ANSWER", "nonce", "was not answered by this file")
        return answer, signer

    # ------------------------------------------------------------------ inside
    def _blinded(self, scalar: group.Scalar) -> bytes:
        return modes.blind(Mode.VOPRF, self.identifier.prf_input, scalar=scalar).element

    def _certified(
        self, certificate: bytes, now_s: int, reader: int | None = None
    ) -> tuple[int, int]:
        """Return who certified her key, and towards whom it is: the reader, or who certified it.

        The certificate's own signature is for the reader to check.
        """
        found, _ = read_certificate(certificate)
        if found.valid_from_s <= now_s <= found.valid_to_s:
            for whom in (found.issuer,) if reader is None else (reader, found.issuer):
                person = person_commitment(self.identifier, self.salt_towards(whom))
                if (found.key, found.person) == (self.key_towards(whom).address, person):
                    return found.issuer, whom
        says = "comes with a certificate of another key or person, or one that is over"
        raise _refuse("WALLET_CERTIFICATE", "certificate", says)

    def _second(self, member: int, certificate: bytes | None, now_s: int) -> tuple[bytes, int]:
        """Return the certificate of her consent to being looked up by `member`, and whose key."""
        issuer, whom = member, member
        if certificate is not None:
            issuer, whom = self._certified(certificate, now_s, member)
        if certificate is None or issuer == member:
            raise _refuse(
                "WALLET_SECOND_CERTIFICATE",
                "consent_certificate",
                f"to look you up needs your consent, certified by another than member {member}",
                "Nothing was signed; add the certificate of another member that identified you.",
            )
        return certificate, whom

    def _signed(self, consent: Consent, whom: int, certificate: bytes) -> Consented:
        digest = consent.digest(self.domain)
        signature = self.key_towards(whom).sign_digest(digest)
        signed = SignedConsent(consent, self.salt_towards(whom), signature, certificate)
        return Consented(signed, digest, keccak(self.revocation_of(digest)))


def _refuse(
    code: str, field: str, says: str, remedy: str = "Nothing was signed; ask whoever sent the file."
) -> ProtocolError:
    return ProtocolError(code, f"the request {says}", where=Where(field=field), help=remedy)
