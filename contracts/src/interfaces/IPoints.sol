// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a ticket is for.
enum TicketKind {
    LOOKUP,
    /// Evidence behind the one entry that it was bought for.
    DETAIL,
    /// A person's query about herself; free, under a daily cap of its own.
    OWN_RECORD
}

/// @title IPoints
/// @notice Contribution metering of the blacklist, in micro-points: minted, burned, staked, never
/// transferred.
/// @dev There is no transfer, and no call moves points from one member to another: what a reader
/// burns and what an uploader earns are two numbers. Calls are sent by a POSTER (see IRegistry; its
/// errors come through unchanged), or by the blacklist alone where said so. Type signed here:
///   Settlement(uint32 period,uint32 reader,bytes32 attestationsRoot,bytes32 rowsHash)
interface IPoints {
    // ------------------------------------------------------------------------------------- types

    /// @notice A member's points.
    /// @param balance what it has, stakes included.
    /// @param staked the part of it that is bound.
    /// @param debt what it owes; later mintings pay it first, and it bars listing.
    /// @param earned all that settlements ever paid it.
    /// @param entries how many entries it ever listed.
    /// @param upheld entries that survived or were upheld.
    /// @param overturned entries that did not stand.
    /// @param mintedDay the last day an allowance was taken for, 0 for never.
    struct Account {
        uint128 balance;
        uint128 staked;
        uint128 debt;
        uint128 earned;
        uint64 entries;
        uint64 upheld;
        uint64 overturned;
        uint32 mintedDay;
    }

    /// @notice A settlement's row: hits of one uploader's entries that one reader confirmed.
    struct Row {
        uint32 uploader;
        uint32 hits;
        uint128 burned;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice Only the blacklist may call this.
    error NotBlacklist(address caller);
    /// @notice The free balance does not reach.
    error PointsShort(uint32 member, uint256 needed, uint256 free);
    /// @notice A member with debt does not list.
    error DebtOpen(uint32 member, uint256 debt);
    /// @notice The allowance was taken for this day.
    error AllowanceTaken(uint32 member, uint256 day);
    /// @notice The member's tickets, its free ones, or the network's of this day are used up.
    error DailyCapReached(uint256 day, uint256 cap);
    /// @notice A DETAIL ticket is bought for one use, by `buyDetailTicket`.
    error TicketUseMissing();
    /// @notice A period is settled once it is over.
    error PeriodNotOver(uint32 period, uint256 endsAt_s);
    /// @notice A reader's period is settled once.
    error SettledAlready(uint32 reader, uint32 period);
    /// @notice A row is out of order, empty, or about the reader itself.
    error RowMalformed(uint256 index);
    /// @notice The rows name more than the reader's tickets burned in the period.
    error RowsExceedBurned(uint256 given, uint256 burned);

    // ------------------------------------------------------------------------------------ events

    /// @notice Points came into being: an allowance, a settlement.
    event PointsMinted(uint32 indexed member, uint256 amount, bytes32 reason);
    /// @notice Points ceased to be: tickets, lost stakes, fines, debt paid.
    event PointsBurned(uint32 indexed member, uint256 amount, bytes32 reason);
    /// @notice Points were bound.
    event PointsStaked(uint32 indexed member, uint256 amount);
    /// @notice Points are free again.
    event PointsReleased(uint32 indexed member, uint256 amount);
    /// @notice What a fine exceeded the free points by.
    event DebtIncurred(uint32 indexed member, uint256 amount, bytes32 reason);
    /// @notice An entry counts for or against an uploader's accuracy.
    event EntryCounted(uint32 indexed member, bool upheld);
    /// @notice Tickets `first` to `first + count - 1` are the member's.
    /// @param use a DETAIL ticket's salted hash of its entry, zero for the others.
    event TicketsBought(
        uint32 indexed member, TicketKind kind, uint64 first, uint32 count, uint256 day, bytes32 use
    );
    /// @notice A reader's period is settled.
    event PeriodSettled(
        uint32 indexed reader, uint32 indexed period, bytes32 attestationsRoot, uint256 paid
    );
    /// @notice What a row paid, and for how many confirmations.
    event RowSettled(
        uint32 indexed reader,
        uint32 indexed uploader,
        uint32 period,
        uint32 hits,
        uint256 burned,
        uint256 k,
        uint256 paid
    );

    // ----------------------------------------------------------------------------------- members

    /// @notice Mints the allowance of the days since the last one: debt first, up to the ceiling.
    function claimAllowance() external;

    /// @notice Burns for `count` numbered tickets of one kind other than DETAIL.
    /// @return first the number of the first.
    function buyTickets(TicketKind kind, uint32 count) external returns (uint64 first);

    /// @notice Burns for one DETAIL ticket, for the evidence behind one entry.
    /// @dev The entry stays hidden, but one ticket buys of one uploader alone: whoever releases
    /// has the use opened to it.
    /// @param use SHA-256("kanhe/detail-use/1" ‖ entry ‖ 32-byte salt).
    function buyDetailTicket(bytes32 use) external returns (uint64 ticket);

    /// @notice Pays a reader's period from its rows, signed by t of the committee.
    /// @param rows in ascending order of uploader.
    /// @param signatures of distinct committee members' APPROVER keys, ascending by member.
    function settle(
        uint32 period,
        uint32 reader,
        bytes32 attestationsRoot,
        Row[] calldata rows,
        bytes[] calldata signatures
    ) external;

    // --------------------------------------------------------------------- for the blacklist alone

    /// @notice Binds points of a full member without debt, and counts an entry where `listing`.
    function stake(uint32 member, uint128 amount, bool listing) external;
    /// @notice Gives a stake back.
    function release(uint32 member, uint128 amount) external;
    /// @notice Burns a stake.
    function slash(uint32 member, uint128 amount, bytes32 reason) external;
    /// @notice Burns free points; what exceeds them is a debt.
    function fine(uint32 member, uint128 amount, bytes32 reason) external;
    /// @notice Counts an entry as upheld (or survived) or overturned.
    function countEntry(uint32 member, bool upheld) external;
    /// @notice Takes an overturned entry's stake and, but for the first concession in 90 days, the
    /// penalty: to concede is worthwhile, to list falsely and concede each time is not.
    /// @param held whether the stake is still bound; else it is owed.
    function overturn(uint32 member, uint128 stake_, bool held, bool conceded) external;

    // ------------------------------------------------------------------------------------- views

    function accountOf(uint32 member) external view returns (Account memory);
    /// @notice Refuses a participant: points, listings and disputes are full members'.
    function requireFull(uint32 member) external view;
    function freeOf(uint32 member) external view returns (uint256);
    function accuracyOf(uint32 member) external view returns (uint256);
    /// @notice What an overturned entry of this member costs now, beside its stake.
    function penaltyOf(uint32 member, uint128 stake_) external view returns (uint256);
    function burnedIn(uint32 reader, uint32 period) external view returns (uint256);
    /// @notice Confirmations of a pair in the nine periods up to `period`.
    function pairHits(uint32 reader, uint32 uploader, uint32 period) external view returns (uint256);
    /// @notice Whether one of the two confirmed the other in the 90 days before now.
    function areClose(uint32 one, uint32 other) external view returns (bool);
    /// @notice Who may sit in judgement: active full members but the parties, `regulator`, and
    /// whoever is close to a party.
    function strangersTo(uint32[3] calldata parties, uint32 regulator)
        external
        view
        returns (uint32[] memory);
    function totalMinted() external view returns (uint256);
    function totalBurned() external view returns (uint256);
    function currentPeriod() external view returns (uint32);
    function domainSeparator() external view returns (bytes32);
}
