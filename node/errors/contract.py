"""The contracts' errors: an exception of the same name for each; a test compares the ABI.

`turn` says what the relay does: look its own effect up (ALREADY_DONE), look the sequence up
(SEQUENCE_MOVED), or give up with the contract's words (REJECTED_FOR_GOOD). What each means
stands once, in `contracts/src/interfaces`.
"""

from __future__ import annotations

from typing import Final

from node.errors import ContractError, Turn
from node.errors.blacklist import BLACKLIST_ARGUMENTS, BLACKLIST_DONE, BLACKLIST_MOVED

# Solidity error → its arguments, in order.
_ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "TooFewFounders": ("given", "minimum"),
    "OutOfBounds": ("given", "minimum", "maximum"),
    "KeyUnknown": ("key",),
    "RoleMissing": ("key", "required", "held"),
    "KeyNotValid": ("key", "validFrom", "validTo", "blockNumber"),
    "MemberNotActive": ("member", "standing"),
    "MemberUnknown": ("member",),
    "NotFullMember": ("member",),
    "KeyAlreadyRegistered": ("key", "member"),
    "KeyOfAnotherMember": ("key", "owner", "caller"),
    "ValidityNotAhead": ("validFrom", "validTo", "blockNumber"),
    "PossessionNotProven": ("key", "recovered"),
    "RoleNotAllowed": ("role",),
    "TooManyAdmins": ("member", "maximum"),
    "LastAdmin": ("member", "key"),
    "NotPending": ("key",),
    "EndNotEarlier": ("key", "validTo", "given"),
    "CompromiseNotEarlier": ("key", "marked_s", "given_s"),
    "CodeTaken": ("code", "member"),
    "MotionMalformed": ("action", "target"),
    "MotionAlreadyOpen": ("motion",),
    "TooManyOpenMotions": ("proposer", "maximum"),
    "MotionUnknown": ("motion",),
    "MotionExecutedAlready": ("motion",),
    "MotionExpired": ("motion", "expiresAt"),
    "MotionOvertaken": ("motion", "generation", "current"),
    "AlreadyApproved": ("motion", "member"),
    "NotEligible": ("motion", "member"),
    "QuorumMissing": ("motion", "approvals", "eligible"),
    "StandingNotAllowed": ("member", "standing", "action"),
    "SealingKeyOutOfSequence": ("expected", "given"),
    "NonceNotNext": ("signer", "expected", "given"),
    "SignatureExpired": ("lastBlock", "blockNumber"),
    "SignatureNotBy": ("signer", "recovered"),
    "SignatureMalformed": (),
    "TooLong": ("given", "maximum"),
    "SideUnknown": ("side",),
    "AgreementUnknown": ("agreement",),
    "AgreementExists": ("agreement",),
    "AgreementStateNotAllowed": ("agreement", "state"),
    "NotAgreementParty": ("caller", "agreement"),
    "PartiesMalformed": ("servicer", "owner", "representedSide"),
    "ObserversMalformed": ("observers",),
    "PredecessorNotAllowed": ("predecessor",),
    "ApproverOfAnotherMember": ("approver", "member", "expected"),
    "UtcOffsetOutOfBounds": ("given",),
    "TermsMismatch": ("expected", "given"),
    "NothingProposed": ("agreement",),
    "TermsNotAhead": ("termsFrom", "fromWindow"),
    "NoticeRunning": ("agreement", "until_s"),
    "EpochOutOfSequence": ("expected", "given"),
    "WrapsMalformed": ("expected", "given"),
    "SealingGenerationNotUsable": ("recipient", "generation", "latest"),
    "EpochNotOpen": ("epoch", "state"),
    "EpochNotUsable": ("epoch", "state"),
    "EpochBehind": ("last", "given"),
    "BatchOutOfSequence": ("expected", "given"),
    "HeadMismatch": ("expected", "given"),
    "LastSeqMismatch": ("expected", "given"),
    "WindowClosedAlready": ("lastClosed", "given"),
    "WindowAboveLast": ("lastWindow", "given"),
    "WindowAhead": ("day", "lastAllowedDay"),
    "PayloadSize": ("given", "maximum"),
    "NothingToPost": (),
    "OpeningNotClosed": ("agreement", "side"),
    "WindowNotClosed": ("agreement", "side", "window"),
    "WindowBeforeActivation": ("day", "activationDay"),
    "DefaultNotDue": ("due_s",),
    "RepresentedSide": ("agreement", "side"),
    "WindowAgreedAlready": ("agreedWindow", "given"),
    "RevisionOutOfSequence": ("expected", "given"),
    "PreviousDigestMismatch": ("expected", "given"),
    "DigestMissing": (),
    "FlagsUnknown": ("flags",),
    "TooManyLinks": ("given", "maximum"),
}

_DONE: Final = frozenset(
    {
        "AgreementExists",
        "AlreadyApproved",
        "KeyAlreadyRegistered",
        "MotionAlreadyOpen",
        "MotionExecutedAlready",
        "WindowAgreedAlready",
        "WindowClosedAlready",
    }
)
_MOVED: Final = frozenset(
    {
        "BatchOutOfSequence",
        "EpochBehind",
        "EpochOutOfSequence",
        "HeadMismatch",
        "LastSeqMismatch",
        "NonceNotNext",
        "PreviousDigestMismatch",
        "RevisionOutOfSequence",
        "SealingKeyOutOfSequence",
    }
)


def _turn(name: str) -> Turn:
    if name in _DONE | BLACKLIST_DONE:
        return Turn.ALREADY_DONE
    moved = name in _MOVED | BLACKLIST_MOVED
    return Turn.SEQUENCE_MOVED if moved else Turn.REJECTED_FOR_GOOD


def _make(name: str, names: tuple[str, ...]) -> type[ContractError]:
    doc = f"Raised when the contract reverts with `{name}({', '.join(names)})`."
    return type(name, (ContractError,), {"names": names, "turn": _turn(name), "__doc__": doc})


CONTRACT_ERRORS: Final[dict[str, type[ContractError]]] = {
    name: _make(name, names) for name, names in (_ARGUMENTS | BLACKLIST_ARGUMENTS).items()
}
