"""The errors of the blacklist's contracts: Solidity error → its arguments, in order.

What each means stands once, in `contracts/src/interfaces`; `node.errors.contract` makes classes.
"""

from __future__ import annotations

from typing import Final

BLACKLIST_ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "Backdated": ("today", "effectiveDay"),
    "BallotCast": ("dispute", "member"),
    "BallotMismatch": ("expected", "given"),
    "ChallengeOver": ("version", "endedAt_s"),
    "ChallengedAlready": ("version", "member"),
    "CommitmentMissing": (),
    "DeletionCertified": ("entry", "member"),
    "DisputeOpen": ("entry", "dispute"),
    "DisputeUnknown": ("dispute",),
    "DrawNotDue": ("dispute", "fromBlock"),
    "DrawnAlready": ("dispute",),
    "EffectTooFar": ("latest", "effectiveDay"),
    "EntryExists": ("entry",),
    "EntryStateNotAllowed": ("entry", "state"),
    "EntryUnknown": ("entry",),
    "ExpiryTooFar": ("latest", "given"),
    "LeafCountMismatch": ("expected", "given"),
    "NoExtension": ("dispute",),
    "NotPanelist": ("dispute", "member"),
    "NotParty": ("dispute", "member"),
    "NotRegulator": ("member",),
    "NotUploader": ("entry", "member"),
    "NotYet": ("from_s",),
    "NoticeNotGiven": ("today", "noticeDay"),
    "NoticeTooRecent": ("noticeDay", "effectiveDay", "noticeDays"),
    "OwnEntry": ("member",),
    "PeriodEmpty": ("effectiveDay", "expiresDay"),
    "PhaseNotAllowed": ("dispute", "phase"),
    "ProfileMalformed": ("index",),
    "ProfileUnknown": ("profile",),
    "RecallKnown": ("entry", "recipient"),
    "RecallUnknown": ("entry", "recipient"),
    "RevisionNotCurrent": ("version", "current", "given"),
    "RootMissing": (),
    "RootNotPublished": ("version",),
    "RootStands": ("version", "root"),
    "StakeNeeded": ("entry", "member"),
    "TaggedAlready": ("entry", "keyEpoch"),
    "TooManyDisputes": ("member", "target", "maximum"),
    "TooManyEntries": ("member", "maximum"),
    "VerdictNotAllowed": ("verdict",),
    "VersionUnknown": ("version",),
    "CommitteeMalformed": ("threshold", "members"),
    "ConsentKnown": ("consent",),
    "ConsentMalformed": ("level", "validTo_s"),
    "ConsentRevokedAlready": ("consent",),
    "ConsentUnknown": ("consent",),
    "KeyEpochApproved": ("member",),
    "KeyEpochNotUsable": ("current", "given"),
    "KeyEpochOutOfSequence": ("last", "given"),
    "LogOutOfSequence": ("last", "given"),
    "NotCommitteeMember": ("member",),
    "PublicKeyMismatch": ("current", "given"),
    "SecretMismatch": ("expected", "given"),
    "SignaturesBelowThreshold": ("given", "threshold"),
    "SignersNotAscending": ("previous", "given"),
    "SwitchBlockNotAhead": ("switchBlock", "blockNumber"),
    "AllowanceTaken": ("member", "day"),
    "DailyCapReached": ("day", "cap"),
    "DebtOpen": ("member", "debt"),
    "NotBlacklist": ("caller",),
    "PeriodNotOver": ("period", "endsAt_s"),
    "PointsShort": ("member", "needed", "free"),
    "RowMalformed": ("index",),
    "RowsExceedBurned": ("given", "burned"),
    "SettledAlready": ("reader", "period"),
    "TicketUseMissing": (),
}

#: What the call wanted stands already.
BLACKLIST_DONE: Final = frozenset(
    {
        "AllowanceTaken",
        "BallotCast",
        "ChallengedAlready",
        "ConsentKnown",
        "ConsentRevokedAlready",
        "DeletionCertified",
        "DrawnAlready",
        "EntryExists",
        "KeyEpochApproved",
        "RecallKnown",
        "RootStands",
        "SettledAlready",
        "TaggedAlready",
    }
)
#: Look the sequence up and make the call anew.
BLACKLIST_MOVED: Final = frozenset({"LeafCountMismatch", "LogOutOfSequence"})
