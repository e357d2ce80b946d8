// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The id of an entry: 32 random bytes that its uploader chose.
type EntryId is bytes32;

/// @dev From an entry's last day on, so many days: what was evaluated for it is opened to an
/// audit, and its uploader destroys nothing that it takes.
uint256 constant OPENABLE_DAYS = 3;

/// @notice What is stored of an entry's life; what a reader sees is `EntryState`.
enum Stage {
    NONE,
    /// A stake and a commitment; not tagged yet.
    TICKETED,
    LISTED,
    SUSPENDED,
    CORRECTED,
    REMOVED,
    ERASED
}

/// @notice An entry's state, computed from the block's time at reading.
enum EntryState {
    NONE,
    TICKETED,
    /// The ticket was not used in time; the stake is lost.
    LAPSED,
    /// Listed, without a leaf in the present key epoch.
    UNTAGGED,
    LISTED,
    DISPUTED,
    SUSPENDED,
    CORRECTED,
    REMOVED,
    EXPIRED,
    ERASED
}

/// @notice How a dispute ends; also an uploader's answer and a panelist's vote.
enum Verdict {
    NONE,
    UPHELD,
    CORRECTED,
    REMOVED,
    UNVERIFIABLE,
    /// The uploader did not answer in time.
    TIMED_OUT,
    /// No panel decided, and the regulator is a party: counts for and against nobody.
    UNDECIDED
}

/// @notice Where a dispute stands, computed from the block's time at reading.
enum Phase {
    NONE,
    /// The uploader may answer.
    OPEN,
    /// It did not; whoever calls settles.
    UNANSWERED,
    /// The answer may be contested.
    ANSWERED,
    /// It was not; whoever calls settles.
    ACCEPTED,
    COMMIT,
    REVEAL,
    /// A majority decided and the time for revealing is over; whoever calls settles.
    DECIDED,
    /// No panel, or no majority twice: the regulator decides.
    REGULATOR,
    /// The regulator is a party and the profile's days are over; whoever calls settles.
    UNDECIDED,
    SETTLED
}

/// @title IBlacklistFacts
/// @notice The blacklist's types, errors and events.
interface IBlacklistFacts {
    // ------------------------------------------------------------------------------------- types

    /// @notice One jurisdiction's periods, in days (node/screening/profile_data/profiles.toml).
    struct Profile {
        uint16 noticeDays;
        uint16 disputeDays;
        uint16 extensionDays;
        uint16 answerDays;
        uint16 contestDays;
        uint16 commitDays;
        uint16 revealDays;
        uint16 retentionDays;
    }

    /// @notice An entry: nothing here is derived from the person without its salt.
    /// @param stakeHeld whether its listing stake is still bound.
    /// @param expiresDay its last day: the ticket's, or the earlier one of its suspension or end.
    /// @param dispute the open dispute, 0 for none.
    struct Entry {
        uint32 uploader;
        uint8 profile;
        Stage stage;
        bool stakeHeld;
        uint32 effectiveDay;
        uint32 expiresDay;
        uint64 postedAt_s;
        uint64 dispute;
        bytes32 commitment;
        EntryId supersedes;
    }

    /// @notice Where the log is cut for an index version, and how many entries it holds there.
    struct Cut {
        uint32 keyEpoch;
        uint64 blockNumber;
        uint64 leafCount;
    }

    /// @notice A version's root; `challenged` ones are published again under the next revision.
    struct Root {
        bytes32 root;
        uint64 publishedAt_s;
        uint8 revision;
        bool challenged;
    }

    /// @notice A dispute.
    /// @param byPerson raised for the person by a member that attests her identity: no stake.
    /// @param extended whether the uploader took its extension.
    /// @param contestStaked whether `contestedBy`, another than `by`, staked for itself.
    /// @param seats panelists of the first round, those of the second follow in `panel`.
    /// @param redraws how often a draw was missed and set again.
    /// @param contestedBy a party from then on, beside `by` where it is another.
    /// @param drawAfter the block whose second successor's hash draws the panel.
    /// @param drawnAt_s when the panel was drawn, 0 before.
    struct Dispute {
        EntryId entry;
        uint32 by;
        uint32 target;
        bool byPerson;
        bool extended;
        bool contestStaked;
        uint8 seats;
        uint8 redraws;
        Verdict answer;
        Verdict outcome;
        uint64 openedAt_s;
        uint64 answeredAt_s;
        uint32 contestedBy;
        uint64 contestedAt_s;
        uint64 drawAfter;
        uint64 drawnAt_s;
        uint32[] panel;
    }

    /// @notice A panelist's vote.
    struct Ballot {
        bytes32 commitment;
        Verdict revealed;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice No profile has this number.
    error ProfileUnknown(uint8 profile);
    /// @notice A profile is empty or does not fit two rounds into a dispute.
    error ProfileMalformed(uint256 index);
    /// @notice The id was used before, or is zero.
    error EntryExists(EntryId entry);
    /// @notice No entry has this id.
    error EntryUnknown(EntryId entry);
    /// @notice The entry is another member's.
    error NotUploader(EntryId entry, uint32 member);
    /// @notice The entry's state does not allow the call.
    error EntryStateNotAllowed(EntryId entry, EntryState state);
    /// @notice A commitment, record or certificate is zero.
    error CommitmentMissing();
    /// @notice An entry never takes effect before the day it is posted.
    error Backdated(uint32 today, uint32 effectiveDay);
    /// @notice An entry takes effect within the days in which its ticket is tagged.
    error EffectTooFar(uint32 latest, uint32 effectiveDay);
    /// @notice The person was told before an entry is posted, not later and not on day 0.
    error NoticeNotGiven(uint32 today, uint32 noticeDay);
    /// @notice Fewer days than the profile's lie between notice and effect.
    error NoticeTooRecent(uint32 noticeDay, uint32 effectiveDay, uint16 noticeDays);
    /// @notice The entry would outlive the profile's retention.
    error ExpiryTooFar(uint32 latest, uint32 given);
    /// @notice The entry would end before it begins.
    error PeriodEmpty(uint32 effectiveDay, uint32 expiresDay);
    /// @notice The uploader has its greatest number of entries.
    error TooManyEntries(uint32 member, uint256 maximum);
    /// @notice The entry has a leaf in this key epoch.
    error TaggedAlready(EntryId entry, uint32 keyEpoch);
    /// @notice Too early: possible from then on.
    error NotYet(uint256 from_s);
    /// @notice No cut has this version.
    error VersionUnknown(uint32 version);
    /// @notice The version has a root that nobody challenged.
    error RootStands(uint32 version, bytes32 root);
    /// @notice The version has no root yet.
    error RootNotPublished(uint32 version);
    /// @notice The root counts other entries than the contract at the cut.
    error LeafCountMismatch(uint64 expected, uint64 given);
    /// @notice A root is zero.
    error RootMissing();
    /// @notice The challenge period is over, or the last revision stands.
    error ChallengeOver(uint32 version, uint256 endedAt_s);
    /// @notice The challenge is of another revision than the one that stands.
    error RevisionNotCurrent(uint32 version, uint8 current, uint8 given);
    /// @notice The member challenged this revision of the version before.
    error ChallengedAlready(uint32 version, uint32 member);
    /// @notice The member has challenged as many roots in these ten days as are heard.
    error TooManyChallenges(uint32 member, uint256 maximum);
    /// @notice No dispute has this number.
    error DisputeUnknown(uint64 dispute);
    /// @notice The dispute stands elsewhere.
    error PhaseNotAllowed(uint64 dispute, Phase phase);
    /// @notice The entry is disputed.
    error DisputeOpen(EntryId entry, uint64 dispute);
    /// @notice The member has its greatest number of open disputes with this uploader.
    error TooManyDisputes(uint32 member, uint32 target, uint256 maximum);
    /// @notice The member disputed this entry for the person before; further disputes take a stake.
    error StakeNeeded(EntryId entry, uint32 member);
    /// @notice Nobody disputes its own entry: it withdraws or corrects it.
    error OwnEntry(uint32 member);
    /// @notice This is no answer or vote here.
    error VerdictNotAllowed(Verdict verdict);
    /// @notice The call is the other party's.
    error NotParty(uint64 dispute, uint32 member);
    /// @notice The member has no seat in this round.
    error NotPanelist(uint64 dispute, uint32 member);
    /// @notice Only the regulator decides here, and not in a case of its own.
    error NotRegulator(uint32 member);
    /// @notice The profile leaves none, or it was taken.
    error NoExtension(uint64 dispute);
    /// @notice The panel is drawn.
    error DrawnAlready(uint64 dispute);
    /// @notice The drawing block is not mined yet.
    error DrawNotDue(uint64 dispute, uint256 fromBlock);
    /// @notice The panelist voted before.
    error BallotCast(uint64 dispute, uint32 member);
    /// @notice Verdict and salt are not those of the commitment.
    error BallotMismatch(bytes32 expected, bytes32 given);
    /// @notice No open recall is addressed so.
    error RecallUnknown(EntryId entry, bytes32 recipient);
    /// @notice The recall was opened before.
    error RecallKnown(EntryId entry, bytes32 recipient);
    /// @notice The member certified this deletion before.
    error DeletionCertified(EntryId entry, uint32 member);

    // ------------------------------------------------------------------------------------ events

    /// @notice An entry's ticket was posted; its statement's days and commitment never change.
    event EntryPosted(
        EntryId indexed entry,
        uint32 indexed uploader,
        uint8 profile,
        bytes32 commitment,
        uint32 noticeDay,
        uint32 effectiveDay,
        uint32 expiresDay,
        EntryId supersedes
    );
    /// @notice The entry has a leaf in a key epoch from here on, of the record of this salted hash.
    event EntryTagged(EntryId indexed entry, uint32 indexed keyEpoch, bytes32 record);
    /// @notice The entry has no leaf from here on.
    event EntryUntagged(EntryId indexed entry, uint32 indexed keyEpoch);
    /// @notice The entry moved to another stage.
    event EntryStaged(EntryId indexed entry, Stage stage);
    /// @notice The entry ends with this day, earlier than its statement says: a dispute ran out.
    event EntryShortened(EntryId indexed entry, uint32 lastDay);
    /// @notice The stake returned; a listed entry counts as survived.
    event EntryVested(EntryId indexed entry);
    /// @notice Entries that ended up to a day were counted out; `count` are left.
    event EntriesExpired(uint32 indexed keyEpoch, uint32 throughDay, uint64 count);
    /// @notice The log is cut here for the version: what stands before this event is in it.
    event IndexCut(uint32 indexed version, uint32 keyEpoch, uint64 leafCount);
    /// @notice A version's root, live after the challenge period.
    event RootPublished(
        uint32 indexed version, bytes32 root, uint64 leafCount, uint8 revision, bytes[] signatures
    );
    /// @notice An uploader did not find its leaf; the root waits for its next revision.
    event RootChallenged(
        uint32 indexed version, uint32 indexed member, EntryId entry, uint8 revision
    );
    /// @notice Shown at every later lookup from here on.
    event DisputeOpened(
        uint64 indexed dispute, EntryId indexed entry, uint32 by, bool byPerson, bytes32 grounds
    );
    /// @notice The uploader took its extension.
    event DisputeExtended(uint64 indexed dispute);
    /// @notice The uploader's answer.
    event DisputeAnswered(uint64 indexed dispute, Verdict answer, bytes32 answerHash);
    /// @notice The answer goes to a panel, drawn after this block.
    /// @param by a party from here on; `staked` where it bound points for the contest itself.
    event DisputeContested(
        uint64 indexed dispute, uint32 indexed by, bool staked, uint64 drawAfter
    );
    /// @notice The drawing block's hash is not known any more: a later one draws.
    event DrawMissed(uint64 indexed dispute, uint64 drawAfter);
    /// @notice The first `seats` sit in the first round, the others in the second; nobody does where
    /// the regulator decides.
    event PanelDrawn(uint64 indexed dispute, uint32[] panel, uint8 seats);
    /// @notice A panelist's hidden vote.
    event BallotCommitted(uint64 indexed dispute, uint32 indexed member, bytes32 commitment);
    /// @notice A panelist's vote.
    event BallotRevealed(uint64 indexed dispute, uint32 indexed member, Verdict verdict);
    /// @notice The outcome, for good.
    event DisputeSettled(uint64 indexed dispute, EntryId indexed entry, Verdict outcome);
    /// @notice Readers behind these hashes must acknowledge the change.
    event RecallOpened(EntryId indexed entry, bytes32[] recipients);
    /// @notice A reader acknowledged the change.
    event RecallAcknowledged(EntryId indexed entry, bytes32 recipient);
    /// @notice A member signed that it destroyed salts, keys and records.
    event DeletionCertifiedBy(EntryId indexed entry, uint32 indexed member, bytes32 certificate);
}
