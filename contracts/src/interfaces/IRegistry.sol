// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The id of an agreement; zero names no agreement (a member's general sealing key).
type AgreementId is bytes32;

/// @notice The id of a motion.
type MotionId is bytes32;

/// @notice What one key may do; exactly one of them, for ever.
enum Role {
    NONE,
    /// Registers and ends the member's keys, sponsors, votes.
    ADMIN,
    /// Hot; sends every transaction of the ledger.
    POSTER,
    /// Off-line; signs what binds the member.
    APPROVER
}

/// @notice A member's standing.
enum Standing {
    NONE,
    ACTIVE,
    SUSPENDED,
    REVOKED
}

/// @notice What a motion does when it is executed.
enum Action {
    NONE,
    ADMIT,
    SUSPEND,
    REINSTATE,
    REVOKE,
    REPLACE_ADMIN
}

/// @title IRegistry
/// @notice Who is who: members, their keys and roles, admission and exclusion by quorum, sealing
/// keys.
/// @dev Every call that changes something is made by a key of its role, or by anyone who carries
/// that key's EIP-712 signature to `callAs`. All block bounds are inclusive. EIP-712 domain of this
/// contract: name "Kanhe", version "1", the chain id, this contract. Types signed here:
///   KeyPossession(uint32 member,bytes32 code,uint8 role,uint64 validFrom,uint64 validTo)
///   Call(address signer,bytes call,uint256 nonce,uint64 lastBlock)
/// Signatures are 65 bytes r, s, v with v 27 or 28 and s in the lower half of the order.
interface IRegistry {
    // ------------------------------------------------------------------------------------- types

    /// @notice A founding member as the constructor takes it.
    /// @param code public code: LEI, unified social credit code or CNAPS code.
    /// @param admin its first admin key.
    /// @param validTo last block of that key.
    struct Founder {
        string code;
        address admin;
        uint64 validTo;
    }

    /// @notice A first key with its own consent, as admissions and replacements carry it.
    /// @param key the address, an ADMIN.
    /// @param validFrom first block, or 0 for "as soon as it is registered".
    /// @param validTo last block.
    /// @param possession the key's own signature over KeyPossession.
    struct AdminGrant {
        address key;
        uint64 validFrom;
        uint64 validTo;
        bytes possession;
    }

    /// @notice A member.
    /// @param standing NONE for an id that was never given.
    /// @param full true: an institution that votes; false: a participant.
    /// @param sponsor the participant's sponsor, 0 for a full member.
    /// @param code keccak256 of a full member's public code; a participant's salted commitment.
    struct Member {
        Standing standing;
        bool full;
        uint32 sponsor;
        bytes32 code;
    }

    /// @notice A key.
    /// @param member whose it is, for ever; 0 for an unknown address.
    /// @param role its only role.
    /// @param validFrom first block in which it counts.
    /// @param validTo last block in which it counts; 0 once cancelled.
    /// @param endingFrom an ADMIN that is ending: the `validTo` to return to if that is cancelled;
    /// else 0.
    /// @param compromisedSince_s Unix time since when it counts as compromised, 0 for never.
    struct Key {
        uint32 member;
        Role role;
        uint64 validFrom;
        uint64 validTo;
        uint64 endingFrom;
        uint64 compromisedSince_s;
    }

    /// @notice A motion.
    /// @param action what it does.
    /// @param proposer the full member that opened it.
    /// @param expiresAt last block in which it can be approved and executed.
    /// @param generation the target's generation it was opened for; an executed motion raises it.
    /// @param round how often the same motion had expired before.
    /// @param executed true once done.
    /// @param target a member's id as bytes32, or for ADMIT keccak256 of the code.
    /// @param argumentHash keccak256 of the argument.
    struct Motion {
        Action action;
        uint32 proposer;
        uint64 expiresAt;
        uint32 generation;
        uint32 round;
        bool executed;
        bytes32 target;
        bytes32 argumentHash;
    }

    /// @notice One generation of a sealing key.
    /// @param keyHash keccak256 of the public key's bytes; the bytes are in the event.
    /// @param endsAt_s Unix time after which nothing new is sealed to it.
    struct SealingKey {
        bytes32 keyHash;
        uint64 endsAt_s;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice The network needs at least `minimum` founders: with fewer no motion can ever pass.
    error TooFewFounders(uint256 given, uint256 minimum);
    /// @notice A constructor's or a call's number is outside its bounds.
    error OutOfBounds(uint256 given, uint256 minimum, uint256 maximum);
    /// @notice The address is no member's key.
    error KeyUnknown(address key);
    /// @notice The key has another role than the call needs.
    error RoleMissing(address key, Role required, Role held);
    /// @notice The key does not count in this block.
    error KeyNotValid(address key, uint64 validFrom, uint64 validTo, uint256 blockNumber);
    /// @notice The member is not active.
    error MemberNotActive(uint32 member, Standing standing);
    /// @notice No member has this id.
    error MemberUnknown(uint32 member);
    /// @notice Only full members vote, sponsor and execute.
    error NotFullMember(uint32 member);
    /// @notice The address is already a key; an address is registered once, for ever.
    error KeyAlreadyRegistered(address key, uint32 member);
    /// @notice The key belongs to another member.
    error KeyOfAnotherMember(address key, uint32 owner, uint32 caller);
    /// @notice A key's bounds lie in the past or are empty.
    error ValidityNotAhead(uint64 validFrom, uint64 validTo, uint256 blockNumber);
    /// @notice The possession signature is not the key's own.
    error PossessionNotProven(address key, address recovered);
    /// @notice The role does not exist or cannot be given this way.
    error RoleNotAllowed(Role role);
    /// @notice The member has its greatest number of admins.
    error TooManyAdmins(uint32 member, uint256 maximum);
    /// @notice The member's last admin is never ended.
    error LastAdmin(uint32 member, address key);
    /// @notice There is nothing to cancel: the key is in force already, or never was pending.
    error NotPending(address key);
    /// @notice An ending can only bring the end nearer.
    error EndNotEarlier(address key, uint64 validTo, uint64 given);
    /// @notice A compromise mark only moves to an earlier time, and not into the future.
    error CompromiseNotEarlier(address key, uint64 marked_s, uint64 given_s);
    /// @notice The code is taken by a member that is not revoked.
    error CodeTaken(bytes32 code, uint32 member);
    /// @notice The motion's action, target and argument do not fit together.
    error MotionMalformed(Action action, bytes32 target);
    /// @notice The same motion is open already.
    error MotionAlreadyOpen(MotionId motion);
    /// @notice The proposer has its greatest number of open motions.
    error TooManyOpenMotions(uint32 proposer, uint256 maximum);
    /// @notice No motion has this id.
    error MotionUnknown(MotionId motion);
    /// @notice The motion was executed before.
    error MotionExecutedAlready(MotionId motion);
    /// @notice The motion's last block is past.
    error MotionExpired(MotionId motion, uint64 expiresAt);
    /// @notice Another motion on the same target was executed since this one was opened.
    error MotionOvertaken(MotionId motion, uint32 generation, uint32 current);
    /// @notice The member approved this motion before.
    error AlreadyApproved(MotionId motion, uint32 member);
    /// @notice The member may not take part: it is the target, or sponsor of the participant
    /// concerned.
    error NotEligible(MotionId motion, uint32 member);
    /// @notice Not enough approvals: 3 × approvals > 2 × eligible and approvals >= 2 are needed.
    error QuorumMissing(MotionId motion, uint256 approvals, uint256 eligible);
    /// @notice The target's standing does not allow the action.
    error StandingNotAllowed(uint32 member, Standing standing, Action action);
    /// @notice Sealing generations are published one after the other.
    error SealingKeyOutOfSequence(uint32 expected, uint32 given);
    /// @notice The signature's nonce is not the signer's next.
    error NonceNotNext(address signer, uint256 expected, uint256 given);
    /// @notice The signature's last block is past.
    error SignatureExpired(uint64 lastBlock, uint256 blockNumber);
    /// @notice The signature is another key's than the named signer's.
    error SignatureNotBy(address signer, address recovered);
    /// @notice The signature has a wrong length, a high s, a wrong v, or recovers to nothing.
    error SignatureMalformed();

    // ------------------------------------------------------------------------------------ events

    /// @notice A member was admitted. `codeText` is empty for a participant.
    event MemberAdmitted(
        uint32 indexed member,
        bool full,
        uint32 indexed sponsor,
        bytes32 indexed code,
        string codeText
    );
    event MemberSuspended(uint32 indexed member);
    event MemberReinstated(uint32 indexed member);
    event MemberRevoked(uint32 indexed member);
    /// @notice All earlier admins of the member ended with this block; `admin` is the only one now.
    event AdminReplaced(uint32 indexed member, address indexed admin);
    event KeyRegistered(
        uint32 indexed member, address indexed key, Role role, uint64 validFrom, uint64 validTo
    );
    /// @notice A key that was not yet in force never will be.
    event KeyCancelled(uint32 indexed member, address indexed key);
    /// @notice `validTo` is the key's last block from now on; `pending` says that it waited for the
    /// key delay.
    event KeyEnded(uint32 indexed member, address indexed key, uint64 validTo, bool pending);
    event KeyEndingCancelled(uint32 indexed member, address indexed key, uint64 validTo);
    /// @notice The member says that the key was in other hands from this Unix time on.
    event KeyCompromised(uint32 indexed member, address indexed key, uint64 since_s);
    event MotionOpened(
        MotionId indexed motion,
        Action action,
        bytes32 indexed target,
        uint32 indexed proposer,
        uint32 generation,
        uint32 round,
        uint64 expiresAt,
        bytes argument
    );
    event MotionApproved(MotionId indexed motion, uint32 indexed member);
    event MotionExecuted(MotionId indexed motion, uint256 approvals, uint256 eligible);
    event SealingKeyPublished(
        uint32 indexed member,
        AgreementId indexed agreement,
        uint32 generation,
        uint64 endsAt_s,
        bytes publicKey
    );

    // -------------------------------------------------------------------------------------- keys

    /// @notice Registers a key of the caller's member.
    /// @dev Needs an ADMIN of an active member. An ADMIN or APPROVER counts from the key delay on
    /// at the earliest, a POSTER at once.
    /// @param key the address; it consents by `possession` over KeyPossession(member, 0, role, …).
    /// @param validFrom first block, or 0 for the earliest allowed.
    function registerKey(
        address key,
        Role role,
        uint64 validFrom,
        uint64 validTo,
        bytes calldata possession
    ) external;

    /// @notice Makes `lastBlock` the last block in which the key counts.
    /// @dev Warning: a key still counts in the rest of the block that ends it; block bounds never
    /// change what was said before in the same block. Ending another ADMIN waits for the key delay.
    /// Open to a suspended and to a revoked member.
    function endKey(address key, uint64 lastBlock) external;

    /// @notice Cancels a key that is not in force yet; its address is never used again.
    function cancelKey(address key) external;

    /// @notice Cancels the ending of an admin that has not taken effect yet.
    function cancelEnding(address key) external;

    /// @notice Records that a key was in other hands since `since_s`. It ends nothing and changes
    /// no past verdict: readers weigh it. Open to a suspended and to a revoked member.
    function markCompromised(address key, uint64 since_s) external;

    // ------------------------------------------------------------------------- members and motions

    /// @notice Admits a participant under the caller's sponsorship.
    /// @dev Warning: consent with member 0 is open to any sponsor; one who sees it waiting can be
    /// first, and the participant then needs another key. Consent that names the sponsor serves no
    /// other.
    /// @param commitment salted commitment to its code, opened to its counterparties only; unique
    /// per sponsor, so that copying it from a waiting transaction gains nothing.
    /// @param admin its first admin; `possession` is over KeyPossession(sponsor, commitment, ADMIN,
    /// …), or with member 0 in the sponsor's place.
    function sponsorParticipant(bytes32 commitment, AdminGrant calldata admin)
        external
        returns (uint32 member);

    /// @notice Opens a motion and approves it in the proposer's name.
    /// @param target the member's id as bytes32; for ADMIT keccak256 of the code's bytes.
    /// @param argument ADMIT: abi.encode(string code, AdminGrant); REPLACE_ADMIN:
    /// abi.encode(AdminGrant); otherwise a reason, which may be empty. Possession is over
    /// KeyPossession(0, target, ADMIN, …) for ADMIT and KeyPossession(member, 0, ADMIN, …) for
    /// REPLACE_ADMIN.
    function openMotion(Action action, bytes32 target, bytes calldata argument)
        external
        returns (MotionId motion);

    function approveMotion(MotionId motion) external;

    /// @notice Executes a motion whose approvals suffice in this block.
    /// @param argument the bytes it was opened with.
    function executeMotion(MotionId motion, bytes calldata argument) external;

    // ------------------------------------------------------------------------------- sealing keys

    /// @notice Publishes the next generation of the caller's member's sealing key for an agreement.
    /// @dev Needs a POSTER of an active member. A generation lives at least `MIN_SEALING_LIFE_S`,
    /// so that nobody can outrun those who seal to it, and at most `MAX_SEALING_LIFE_S`.
    /// @param agreement zero for the general key, which opens no batch.
    function publishSealingKey(
        AgreementId agreement,
        uint32 generation,
        uint64 endsAt_s,
        bytes calldata publicKey
    ) external;

    // --------------------------------------------------------------------------------- meta-calls

    /// @notice Makes a call of this contract in the name of `signer`, by its signature over
    /// Call(signer, call, nonce, lastBlock).
    function callAs(
        address signer,
        bytes calldata call,
        uint256 nonce,
        uint64 lastBlock,
        bytes calldata signature
    ) external returns (bytes memory result);

    // -------------------------------------------------------------------------------------- views

    /// @notice The member whose key this is, if it has the role and counts in this block; reverts
    /// else.
    /// @dev Says nothing about the member's standing.
    function authorise(address key, Role role) external view returns (uint32 member);
    /// @notice As `authorise`; reverts also unless the member is active.
    function authoriseActive(address key, Role role) external view returns (uint32 member);
    /// @notice Reverts unless the member is active.
    function requireActive(uint32 member) external view;
    /// @notice Reverts unless the member and, for a participant, its sponsor are active.
    function requireOpenToAgreements(uint32 member) external view;
    function memberCount() external view returns (uint32);
    function memberOf(uint32 member) external view returns (Member memory);
    function keyOf(address key) external view returns (Key memory);
    /// @notice True if the key has the role and counted, or will count, in that block.
    function isValidAt(address key, Role role, uint64 blockNumber) external view returns (bool);
    /// @notice Every admin that still counts or is pending.
    function adminsOf(uint32 member) external view returns (address[] memory);
    /// @notice Ids of all full members ever admitted and not revoked.
    function fullMembers() external view returns (uint32[] memory);
    /// @notice The full member with this code's hash, 0 for none.
    function memberByCode(bytes32 code) external view returns (uint32);
    function motionOf(MotionId motion) external view returns (Motion memory);
    function hasApproved(MotionId motion, uint32 member) external view returns (bool);
    /// @notice Approvals that count now, and members that may approve now.
    function tally(MotionId motion) external view returns (uint256 approvals, uint256 eligible);
    function generationOf(bytes32 target) external view returns (uint32);
    function sealingKeyOf(uint32 member, AgreementId agreement, uint32 generation)
        external
        view
        returns (SealingKey memory);
    function lastSealingGeneration(uint32 member, AgreementId agreement)
        external
        view
        returns (uint32);
    /// @notice The nonce that the signer's next `callAs` needs.
    function nonceOf(address signer) external view returns (uint256);
    function domainSeparator() external view returns (bytes32);
    function keyDelay_blocks() external view returns (uint64);
    function motionExpiry_blocks() external view returns (uint64);
}
