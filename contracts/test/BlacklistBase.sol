// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    EntryId,
    EntryState,
    IBlacklistFacts,
    Phase,
    Verdict
} from "../src/interfaces/IBlacklistFacts.sol";
import {IAudits} from "../src/interfaces/IAudits.sol";
import {IBlacklist} from "../src/interfaces/IBlacklist.sol";
import {ILookups} from "../src/interfaces/ILookups.sol";
import {IPoints} from "../src/interfaces/IPoints.sol";
import {Role} from "../src/interfaces/IRegistry.sol";
import {Base} from "./Base.sol";

/// @notice Nine full members, the last of them the regulator, a committee of 1, 2 and 3, and
/// shorthand for the blacklist's calls.
abstract contract BlacklistTestBase is Base {
    uint32 internal constant MEMBERS = 9;
    uint32 internal constant REGULATOR = 9;
    uint32 internal constant UPLOADER = 1;
    uint32 internal constant READER = 2;
    uint8 internal constant CHINA = 1;
    bytes32 internal constant COMMITMENT = keccak256("commitment");
    bytes32 internal constant PUBLIC_KEY = keccak256("public key");
    bytes32 internal constant SHARES = keccak256("shares");
    bytes32 internal constant ROOT = keccak256("root");
    bytes32 internal constant RECORD = keccak256("record");
    bytes32 internal constant BLINDED = keccak256("element");
    EntryId internal constant NONE_ = EntryId.wrap(0);

    ILookups internal lookups;
    IBlacklist internal blacklist;
    IPoints internal points;
    IAudits internal audits;

    function setUp() public virtual override {
        _found(MEMBERS);
        _installEpoch(1, PUBLIC_KEY);
        for (uint32 member = 1; member <= MEMBERS; member++) {
            _claim(member);
        }
    }

    /// @dev Full members with their keys, and the three contracts.
    function _found(uint32 members) internal {
        vm.roll(1000);
        vm.warp(NOON_S);
        registry = _deploy(members);
        for (uint32 member = 1; member <= members; member++) {
            _equip(member);
        }
        vm.roll(1000 + DELAY);
        lookups = ILookups(_create("Lookups", abi.encode(registry)));
        blacklist =
            IBlacklist(_create("Blacklist", abi.encode(registry, lookups, REGULATOR, _profiles())));
        points = IPoints(address(blacklist.points()));
        audits = IAudits(address(points));
    }

    /// @dev CN-2013 of node/screening/profile_data, and one with an extension; a Python test
    /// deploys the delivered ones.
    function _profiles() internal pure returns (IBlacklistFacts.Profile[] memory list) {
        list = new IBlacklistFacts.Profile[](2);
        list[0] = IBlacklistFacts.Profile(10, 20, 0, 10, 2, 2, 2, 1826);
        list[1] = IBlacklistFacts.Profile(30, 28, 61, 14, 4, 3, 2, 1826);
    }

    // ---------------------------------------------------------------------------------- shorthand

    function _post(uint32 member) internal {
        _as(member, Role.POSTER);
    }

    function _entry(uint256 n) internal pure returns (EntryId) {
        return EntryId.wrap(keccak256(abi.encode("entry", n)));
    }

    function _pass(uint256 days_) internal {
        vm.warp(vm.getBlockTimestamp() + days_ * 1 days);
        vm.roll(vm.getBlockNumber() + 1);
    }

    function _now() internal view returns (uint32) {
        return uint32(vm.getBlockTimestamp() / 1 days);
    }

    function _claim(uint32 member) internal {
        _post(member);
        points.claimAllowance();
    }

    function _list(uint256 n) internal returns (EntryId entry) {
        return _listAs(UPLOADER, n, _now() + 1000);
    }

    function _listAs(uint32 member, uint256 n, uint32 expires) internal returns (EntryId entry) {
        entry = _entry(n);
        _post(member);
        blacklist.list(entry, COMMITMENT, CHINA, _now() - 10, _now(), expires, NONE_);
    }

    function _tagged(uint256 n) internal returns (EntryId entry) {
        entry = _list(n);
        _tag(UPLOADER, entry, lookups.currentKeyEpoch());
    }

    function _tag(uint32 member, EntryId entry, uint32 keyEpoch) internal {
        bytes[] memory signatures = _signedBy(1, 2, _heldDigest(entry, keyEpoch, RECORD));
        _post(member);
        blacklist.tag(entry, keyEpoch, RECORD, signatures);
    }

    function _heldDigest(EntryId entry, uint32 keyEpoch, bytes32 record)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256("RecordHeld(bytes32 entry,uint32 keyEpoch,bytes32 record)");
        return _digest(address(blacklist), keccak256(abi.encode(typeHash, entry, keyEpoch, record)));
    }

    function _committee() internal pure returns (uint32[] memory members) {
        members = new uint32[](3);
        for (uint32 i = 0; i < 3; i++) {
            members[i] = i + 1;
        }
    }

    function _approveEpoch(uint32 member, uint32 keyEpoch, bytes32 publicKey, uint64 at) internal {
        _as(member, Role.ADMIN);
        lookups.approveKeyEpoch(keyEpoch, 2, _committee(), publicKey, SHARES, at);
    }

    /// @dev Seven of nine are more than two thirds.
    function _installEpoch(uint32 keyEpoch, bytes32 publicKey) internal {
        uint64 at = uint64(vm.getBlockNumber()) + 5;
        for (uint32 member = 1; member <= 7; member++) {
            _approveEpoch(member, keyEpoch, publicKey, at);
        }
        vm.roll(at);
    }

    function _cut() internal returns (uint32) {
        uint32 current = lookups.currentKeyEpoch();
        vm.warp(vm.getBlockTimestamp() + 30 minutes);
        vm.roll(vm.getBlockNumber() + 1);
        _post(UPLOADER);
        return blacklist.cut(current);
    }

    function _rootDigest(uint32 version, uint64 leafCount, bytes32 root, uint8 revision)
        internal
        view
        returns (bytes32)
    {
        IBlacklistFacts.Cut memory at_ = blacklist.cutOf(version);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "IndexRoot(uint32 version,uint32 keyEpoch,uint64 cutBlock,uint64 leafCount,bytes32 root,uint8 revision)"
                ),
                version,
                at_.keyEpoch,
                at_.blockNumber,
                leafCount,
                root,
                revision
            )
        );
        return _digest(address(blacklist), structHash);
    }

    function _signedBy(uint32 one, uint32 two, bytes32 digest)
        internal
        pure
        returns (bytes[] memory signatures)
    {
        signatures = new bytes[](2);
        signatures[0] = _signWith(_pk(one, Role.APPROVER), digest);
        signatures[1] = _signWith(_pk(two, Role.APPROVER), digest);
    }

    function _publish(uint32 version, uint64 leafCount, uint8 revision) internal {
        bytes32 digest = _rootDigest(version, leafCount, ROOT, revision);
        bytes[] memory signatures = _signedBy(1, 2, digest);
        _post(READER);
        blacklist.publishRoot(version, leafCount, ROOT, signatures);
    }

    /// @dev External, so that an expected revert is the call's and not a view's before it.
    function publish(uint32 version, uint64 leafCount, uint8 revision) external {
        _publish(version, leafCount, revision);
    }

    function _settlementDigest(
        uint32 period,
        uint32 reader,
        bytes32 root,
        IPoints.Row[] memory rows
    ) internal view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Settlement(uint32 period,uint32 reader,bytes32 attestationsRoot,bytes32 rowsHash)"
                ),
                period,
                reader,
                root,
                keccak256(abi.encode(rows))
            )
        );
        return _digest(address(points), structHash);
    }

    /// @dev What a reader or uploader signs to have an element evaluated, under the lookups' domain.
    function _evaluation(uint64 ticket, bytes32 subject, uint32 keyEpoch)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "Evaluation(uint64 ticket,bytes32 blinded,bytes32 consent,uint32 keyEpoch)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, ticket, BLINDED, subject, keyEpoch));
        return _digest(address(lookups), structHash);
    }

    function _openedDigest(IAudits.Audit memory audit) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("EvaluationOpened(bytes32 evaluation)");
        return _digest(address(points), keccak256(abi.encode(typeHash, audit.evaluation)));
    }

    function _audit(uint32 member, uint64 ticket, bytes32 subject) internal returns (uint64) {
        return _auditWith(_pk(member, Role.APPROVER), ticket, subject, 1);
    }

    function _auditWith(uint256 key, uint64 ticket, bytes32 subject, uint32 keyEpoch)
        internal
        returns (uint64)
    {
        bytes memory signature = _signWith(key, _evaluation(ticket, subject, keyEpoch));
        _post(REGULATOR);
        return audits.beginAudit(ticket, subject, BLINDED, keyEpoch, signature);
    }

    function _dispute(uint32 by, EntryId entry, bool byPerson) internal returns (uint64) {
        _post(by);
        return blacklist.openDispute(entry, byPerson, keccak256("grounds"));
    }

    function _answer(uint64 dispute, Verdict verdict) internal {
        _post(UPLOADER);
        blacklist.answer(dispute, verdict, keccak256("answer"));
    }

    /// @dev Contests and draws; the panel is three and three of the members 3 to 8.
    function _contestAndDraw(uint64 dispute, uint32 by) internal returns (uint32[] memory panel) {
        _post(by);
        blacklist.contest(dispute, false);
        vm.roll(vm.getBlockNumber() + 3);
        _post(by);
        blacklist.draw(dispute);
        return blacklist.disputeOf(dispute).panel;
    }

    function _commit(uint64 dispute, uint32 member, Verdict verdict) internal {
        bytes32 commitment = keccak256(
            abi.encode(block.chainid, blacklist, dispute, member, verdict, bytes32("salt"))
        );
        _post(member);
        blacklist.commitBallot(dispute, commitment);
    }

    function _reveal(uint64 dispute, uint32 member, Verdict verdict) internal {
        _post(member);
        blacklist.revealBallot(dispute, verdict, bytes32("salt"));
    }

    function _settle(uint64 dispute) internal {
        _post(REGULATOR);
        blacklist.settle(dispute);
    }

    function _state(EntryId entry, EntryState expected) internal view {
        _eq(uint256(blacklist.stateOf(entry)), uint256(expected));
    }

    function _phase(uint64 dispute, Phase expected) internal view {
        _eq(uint256(blacklist.phaseOf(dispute)), uint256(expected));
    }

    function _refusePhase(uint64 dispute, Phase phase) internal {
        _refuse(abi.encodeWithSelector(IBlacklistFacts.PhaseNotAllowed.selector, dispute, phase));
    }

    function _refuse(bytes memory error_) internal {
        vm.expectRevert(error_);
    }
}
