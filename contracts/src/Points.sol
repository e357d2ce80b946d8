// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILookups} from "./interfaces/ILookups.sol";
import {IPoints, TicketKind} from "./interfaces/IPoints.sol";
import {IRegistry, Role, Standing} from "./interfaces/IRegistry.sol";
import {PointsLib} from "./libraries/PointsLib.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {Audits} from "./points/Audits.sol";

/// @title Points
/// @notice See IPoints and IAudits. Made by the blacklist's constructor, which is the only one to
/// move stakes.
contract Points is IPoints, Audits {
    uint128 public constant LOOKUP_PRICE = 1e6;
    uint128 public constant DETAIL_PRICE = 3e6;
    uint128 public constant DAILY_ALLOWANCE = 20e6;
    uint128 public constant ALLOWANCE_CEILING = 600e6;
    uint32 public constant MEMBER_DAILY_TICKETS = 2000;
    uint32 public constant NETWORK_DAILY_TICKETS = 20_000;
    /// Free tickets have a cap of their own: they use up nobody's paid ones.
    uint32 public constant MEMBER_DAILY_OWN_RECORDS = 200;
    uint32 public constant PERIOD_DAYS = 10;
    /// Nine periods are the 90 days in which a pair's confirmations count.
    uint32 public constant WINDOW_PERIODS = 9;

    bytes32 private constant SETTLEMENT_TYPE = keccak256(
        "Settlement(uint32 period,uint32 reader,bytes32 attestationsRoot,bytes32 rowsHash)"
    );
    bytes32 private constant ALLOWANCE = "allowance";
    bytes32 private constant SETTLEMENT = "settlement";
    bytes32 private constant TICKETS = "tickets";
    bytes32 private constant DEBT = "debt";
    bytes32 private constant OVERTURNED = "entry overturned";
    /// One concession in so long costs the stake alone.
    uint256 private constant CONCESSION_S = 90 days;

    uint256 public totalMinted;
    uint256 public totalBurned;
    uint64 public lastTicket;

    mapping(uint32 member => Account) private _accounts;
    mapping(uint32 reader => mapping(uint32 period => uint256)) private _burned;
    mapping(uint32 reader => mapping(uint32 period => bool)) private _settled;
    mapping(uint32 reader => mapping(uint32 uploader => mapping(uint32 period => uint256))) private
        _hits;
    mapping(uint256 day => mapping(uint32 member => uint32)) private _ticketsOf;
    mapping(uint256 day => uint32) private _ticketsOn;
    mapping(uint256 day => mapping(uint32 member => uint32)) private _ownRecordsOf;
    mapping(uint32 member => uint256) private _nextConcession_s;

    constructor(IRegistry registry_, ILookups lookups_, uint32 regulator_)
        Audits(registry_, lookups_, regulator_)
    {}

    modifier onlyBlacklist() {
        if (msg.sender != blacklist) revert NotBlacklist(msg.sender);
        _;
    }

    // ----------------------------------------------------------------------------------- members

    /// @inheritdoc IPoints
    function claimAllowance() external {
        uint32 member = registry.authoriseActive(msg.sender, Role.POSTER);
        requireFull(member);
        Account storage own = _accounts[member];
        uint32 day = uint32(block.timestamp / 1 days);
        if (own.mintedDay >= day) revert AllowanceTaken(member, day);
        // A newcomer begins with one day, as if it had come yesterday.
        uint256 daysDue = own.mintedDay == 0 ? 1 : day - own.mintedDay;
        own.mintedDay = day;
        uint256 minted = daysDue * DAILY_ALLOWANCE;
        uint256 paid = minted < own.debt ? minted : own.debt;
        uint256 free = own.balance - own.staked;
        uint256 room = free < ALLOWANCE_CEILING ? ALLOWANCE_CEILING - free : 0;
        uint256 left = minted - paid;
        _mint(member, paid + (left < room ? left : room), ALLOWANCE);
    }

    /// @inheritdoc IPoints
    function buyTickets(TicketKind kind, uint32 count) external returns (uint64 first) {
        if (kind == TicketKind.DETAIL) revert TicketUseMissing();
        return _buy(kind, count, 0);
    }

    /// @inheritdoc IPoints
    function buyDetailTicket(bytes32 use) external returns (uint64 ticket) {
        if (use == 0) revert TicketUseMissing();
        return _buy(TicketKind.DETAIL, 1, use);
    }

    /// @inheritdoc IPoints
    function settle(
        uint32 period,
        uint32 reader,
        bytes32 attestationsRoot,
        Row[] calldata rows,
        bytes[] calldata signatures
    ) external {
        registry.authoriseActive(msg.sender, Role.POSTER);
        if (period >= currentPeriod()) {
            revert PeriodNotOver(period, (uint256(period) + 1) * PERIOD_DAYS * 1 days);
        }
        if (_settled[reader][period]) revert SettledAlready(reader, period);
        _requireRows(period, reader, rows);
        bytes32 structHash = keccak256(
            abi.encode(
                SETTLEMENT_TYPE, period, reader, attestationsRoot, keccak256(abi.encode(rows))
            )
        );
        lookups.requireSigned(
            lookups.currentKeyEpoch(), SignatureLib.digestOf(structHash), signatures
        );

        _settled[reader][period] = true;
        uint256 paid;
        for (uint256 i = 0; i < rows.length; i++) {
            paid += _pay(period, reader, rows[i]);
        }
        emit PeriodSettled(reader, period, attestationsRoot, paid);
    }

    // --------------------------------------------------------------------- for the blacklist alone

    /// @inheritdoc IPoints
    function stake(uint32 member, uint128 amount, bool listing) external onlyBlacklist {
        requireFull(member);
        Account storage own = _accounts[member];
        if (own.debt != 0) revert DebtOpen(member, own.debt);
        _requireFree(member, amount);
        own.staked += amount;
        if (listing) own.entries += 1;
        emit PointsStaked(member, amount);
    }

    /// @inheritdoc IPoints
    function release(uint32 member, uint128 amount) external onlyBlacklist {
        _accounts[member].staked -= amount;
        emit PointsReleased(member, amount);
    }

    /// @inheritdoc IPoints
    function slash(uint32 member, uint128 amount, bytes32 reason) public onlyBlacklist {
        _accounts[member].staked -= amount;
        _burn(member, amount, reason);
    }

    /// @inheritdoc IPoints
    function fine(uint32 member, uint128 amount, bytes32 reason) external onlyBlacklist {
        _fine(member, amount, reason);
    }

    /// @inheritdoc IPoints
    /// @dev The sender stays the blacklist in the calls within this contract.
    function overturn(uint32 member, uint128 stake_, bool held, bool conceded)
        external
        onlyBlacklist
    {
        countEntry(member, false);
        if (held) slash(member, stake_, OVERTURNED);
        else _fine(member, stake_, OVERTURNED);
        bool spared = conceded && block.timestamp >= _nextConcession_s[member];
        if (conceded) _nextConcession_s[member] = block.timestamp + CONCESSION_S;
        if (!spared) _fine(member, penaltyOf(member, stake_), OVERTURNED);
    }

    /// @inheritdoc IPoints
    function countEntry(uint32 member, bool upheld) public onlyBlacklist {
        if (upheld) _accounts[member].upheld += 1;
        else _accounts[member].overturned += 1;
        emit EntryCounted(member, upheld);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IPoints
    function accountOf(uint32 member) external view returns (Account memory) {
        return _accounts[member];
    }

    /// @inheritdoc IPoints
    /// @dev One full member sponsors participants without anybody's vote: each would otherwise be
    /// another allowance, another cap and another voice, all in one hand.
    function requireFull(uint32 member) public view {
        if (!registry.memberOf(member).full) revert IRegistry.NotFullMember(member);
    }

    /// @inheritdoc IPoints
    function freeOf(uint32 member) public view returns (uint256) {
        Account storage own = _accounts[member];
        return own.balance - own.staked;
    }

    /// @inheritdoc IPoints
    function accuracyOf(uint32 member) public view returns (uint256) {
        Account storage own = _accounts[member];
        return PointsLib.accuracy(own.upheld, own.overturned);
    }

    /// @inheritdoc IPoints
    /// @dev Rows name uploaders, not entries (single hits are not public), so an entry's earnings
    /// are its uploader's mean.
    function penaltyOf(uint32 member, uint128 stake_) public view returns (uint256) {
        Account storage own = _accounts[member];
        uint256 mean = own.entries == 0 ? 0 : own.earned / own.entries;
        return PointsLib.penalty(stake_, mean);
    }

    /// @inheritdoc IPoints
    function burnedIn(uint32 reader, uint32 period) external view returns (uint256) {
        return _burned[reader][period];
    }

    /// @inheritdoc IPoints
    function pairHits(uint32 reader, uint32 uploader, uint32 period)
        public
        view
        returns (uint256 hits)
    {
        uint32 from = period >= WINDOW_PERIODS ? period - WINDOW_PERIODS + 1 : 0;
        for (uint32 p = from; p <= period; p++) {
            hits += _hits[reader][uploader][p];
        }
    }

    /// @inheritdoc IPoints
    function areClose(uint32 one, uint32 other) public view returns (bool) {
        uint32 period = currentPeriod();
        return pairHits(one, other, period) != 0 || pairHits(other, one, period) != 0;
    }

    /// @inheritdoc IPoints
    function strangersTo(uint32[3] calldata parties, uint32 regulator)
        external
        view
        returns (uint32[] memory found)
    {
        uint32[] memory full = registry.fullMembers();
        found = new uint32[](full.length);
        uint256 count;
        for (uint256 i = 0; i < full.length; i++) {
            uint32 member = full[i];
            bool barred =
                member == regulator || registry.memberOf(member).standing != Standing.ACTIVE;
            for (uint256 j = 0; j < parties.length && !barred; j++) {
                barred = member == parties[j] || areClose(member, parties[j]);
            }
            if (!barred) found[count++] = member;
        }
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    /// @inheritdoc IPoints
    function currentPeriod() public view returns (uint32) {
        return uint32(block.timestamp / 1 days / PERIOD_DAYS);
    }

    /// @inheritdoc IPoints
    function domainSeparator() external view returns (bytes32) {
        return SignatureLib.domainSeparator();
    }

    // ---------------------------------------------------------------------------------- internal

    function _requireFree(uint32 member, uint256 needed) private view {
        uint256 free = freeOf(member);
        if (free < needed) revert PointsShort(member, needed, free);
    }

    function _requireRows(uint32 period, uint32 reader, Row[] calldata rows) private view {
        uint256 given;
        uint32 last;
        for (uint256 i = 0; i < rows.length; i++) {
            Row calldata row = rows[i];
            bool wrong = row.uploader <= last || row.uploader == reader || row.hits == 0;
            if (wrong || row.uploader > registry.memberCount()) revert RowMalformed(i);
            last = row.uploader;
            given += row.burned;
        }
        uint256 burned = _burned[reader][period];
        if (given > burned) revert RowsExceedBurned(given, burned);
    }

    /// @dev What was settled before its turn counts too: in no order does a pair escape its k.
    function _laterHits(uint32 reader, uint32 uploader, uint32 period)
        private
        view
        returns (uint256 hits)
    {
        uint32 current = currentPeriod();
        for (uint32 p = period + 1; p < period + WINDOW_PERIODS && p < current; p++) {
            hits += _hits[reader][uploader][p];
        }
    }

    function _pay(uint32 period, uint32 reader, Row calldata row) private returns (uint256 paid) {
        _hits[reader][row.uploader][period] = row.hits;
        uint256 k =
            pairHits(reader, row.uploader, period) + _laterHits(reader, row.uploader, period);
        paid = PointsLib.settlement(row.hits, k, row.burned, accuracyOf(row.uploader));
        _accounts[row.uploader].earned += uint128(paid);
        _mint(row.uploader, paid, SETTLEMENT);
        emit RowSettled(reader, row.uploader, period, row.hits, row.burned, k, paid);
    }

    /// @dev What pays a debt is minted and burned at once, so the sum of balances stays the
    /// difference of the two totals.
    function _mint(uint32 member, uint256 amount, bytes32 reason) private {
        Account storage own = _accounts[member];
        own.balance += uint128(amount);
        totalMinted += amount;
        emit PointsMinted(member, amount, reason);
        uint256 paid = amount < own.debt ? amount : own.debt;
        if (paid == 0) return;
        own.debt -= uint128(paid);
        _burn(member, paid, DEBT);
    }

    function _burn(uint32 member, uint256 amount, bytes32 reason) private {
        _accounts[member].balance -= uint128(amount);
        totalBurned += amount;
        emit PointsBurned(member, amount, reason);
    }

    /// @inheritdoc Audits
    function _fine(uint32 member, uint256 amount, bytes32 reason) internal override {
        uint256 free = freeOf(member);
        uint256 burned = amount < free ? amount : free;
        _burn(member, burned, reason);
        if (amount > burned) {
            _accounts[member].debt += uint128(amount - burned);
            emit DebtIncurred(member, amount - burned, reason);
        }
    }

    function _buy(TicketKind kind, uint32 count, bytes32 use) private returns (uint64 first) {
        uint32 member = registry.authoriseActive(msg.sender, Role.POSTER);
        requireFull(member);
        if (count == 0 || count > MEMBER_DAILY_TICKETS) {
            revert IRegistry.OutOfBounds(count, 1, MEMBER_DAILY_TICKETS);
        }
        uint256 day = block.timestamp / 1 days;
        _countOn(day, member, kind, count);
        uint256 price = uint256(_priceOf(kind)) * count;
        _requireFree(member, price);

        first = lastTicket + 1;
        lastTicket += count;
        _burned[member][currentPeriod()] += price;
        _burn(member, price, TICKETS);
        emit TicketsBought(member, kind, first, count, day, use);
    }

    function _countOn(uint256 day, uint32 member, TicketKind kind, uint32 count) private {
        bool own = kind == TicketKind.OWN_RECORD;
        mapping(uint32 => uint32) storage counted = own ? _ownRecordsOf[day] : _ticketsOf[day];
        uint32 cap = own ? MEMBER_DAILY_OWN_RECORDS : MEMBER_DAILY_TICKETS;
        if (counted[member] + count > cap) revert DailyCapReached(day, cap);
        counted[member] += count;
        if (own) return;
        if (_ticketsOn[day] + count > NETWORK_DAILY_TICKETS) {
            revert DailyCapReached(day, NETWORK_DAILY_TICKETS);
        }
        _ticketsOn[day] += count;
    }

    function _priceOf(TicketKind kind) private pure returns (uint128) {
        if (kind == TicketKind.LOOKUP) return LOOKUP_PRICE;
        return kind == TicketKind.DETAIL ? DETAIL_PRICE : 0;
    }
}
