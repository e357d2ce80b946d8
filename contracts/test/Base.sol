// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {AgreementKind, ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {Action, AgreementId, IRegistry, MotionId, Role} from "../src/interfaces/IRegistry.sol";
import {Vm} from "./Vm.sol";

/// @notice A network of four full members and one participant, their keys, and signing.
/// @dev Keys are derived from (member, role), so every test can sign for everyone.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 internal constant FOREVER = type(uint64).max;
    uint64 internal constant DELAY = 10;
    uint64 internal constant EXPIRY = 100;
    /// 2026-11-20 04:00 UTC, noon in China.
    uint256 internal constant NOON_S = 1_795_147_200;
    uint32 internal constant TODAY = 20_777;
    int16 internal constant CHINA_MIN = 480;
    AgreementId internal constant GENERAL = AgreementId.wrap(0);

    uint32 internal constant BANK = 1;
    uint32 internal constant HOUSE = 2;
    uint32 internal constant BRANCH = 3;
    uint32 internal constant AUDITOR = 4;
    uint32 internal constant SHOP = 5;

    IRegistry internal registry;
    ILedger internal ledger;

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(NOON_S);
        registry = _deploy(4);
        ledger = ILedger(_create("Ledger", abi.encode(registry)));
        for (uint32 member = 1; member <= 4; member++) {
            _equip(member);
        }
        _sponsor(BANK, keccak256("shop"), SHOP);
        _equip(SHOP);
        vm.roll(1000 + DELAY);
    }

    // -------------------------------------------------------------------------------------- keys

    function _pk(uint32 member, Role role) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("key", member, role))) >> 1;
    }

    function _addr(uint32 member, Role role) internal pure returns (address) {
        return vm.addr(_pk(member, role));
    }

    function _as(uint32 member, Role role) internal {
        vm.prank(_addr(member, role));
    }

    function _signWith(uint256 privateKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Written out here a second time, so that a slip in the contracts' own domain shows.
    function _digest(address verifying, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Kanhe"),
                keccak256("1"),
                block.chainid,
                verifying
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _possession(
        uint256 privateKey,
        uint32 member,
        bytes32 code,
        Role role,
        uint64 validFrom,
        uint64 validTo
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "KeyPossession(uint32 member,bytes32 code,uint8 role,uint64 validFrom,uint64 validTo)"
                ),
                member,
                code,
                role,
                validFrom,
                validTo
            )
        );
        return _signWith(privateKey, _digest(address(registry), structHash));
    }

    function _grantFor(uint256 privateKey, uint32 member, bytes32 code)
        internal
        view
        returns (IRegistry.AdminGrant memory)
    {
        bytes memory possession = _possession(privateKey, member, code, Role.ADMIN, 0, FOREVER);
        return IRegistry.AdminGrant(vm.addr(privateKey), 0, FOREVER, possession);
    }

    function _register(uint32 member, uint256 privateKey, Role role) internal {
        bytes memory possession = _possession(privateKey, member, 0, role, 0, FOREVER);
        _as(member, Role.ADMIN);
        registry.registerKey(vm.addr(privateKey), role, 0, FOREVER, possession);
    }

    function _equip(uint32 member) internal {
        _register(member, _pk(member, Role.POSTER), Role.POSTER);
        _register(member, _pk(member, Role.APPROVER), Role.APPROVER);
    }

    /// @dev The same signature's other form, with s above half of the order.
    function _twin(bytes memory signature) internal pure returns (bytes memory) {
        bytes32 r;
        uint256 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint8 v = uint8(signature[64]) == 27 ? 28 : 27;
        return abi.encodePacked(r, order - s, v);
    }

    // ----------------------------------------------------------------------------------- members

    function _code(uint32 member) internal pure returns (string memory) {
        bytes1 ones = bytes1(uint8(48 + member % 10));
        if (member < 10) return string.concat("LEI", string(abi.encodePacked(ones)));
        bytes1 tens = bytes1(uint8(48 + member / 10));
        return string.concat("LEI", string(abi.encodePacked(tens, ones)));
    }

    function _deploy(uint32 founders) internal returns (IRegistry) {
        IRegistry.Founder[] memory list = new IRegistry.Founder[](founders);
        for (uint32 i = 0; i < founders; i++) {
            list[i] = IRegistry.Founder(_code(i + 1), _addr(i + 1, Role.ADMIN), FOREVER);
        }
        return _deployWith(list, DELAY);
    }

    function _deployWith(IRegistry.Founder[] memory founders, uint64 delay)
        internal
        returns (IRegistry)
    {
        return IRegistry(_create("Registry", abi.encode(founders, delay, EXPIRY)));
    }

    /// @dev Creates from the committed bytecode, the very one that nodes deploy; that it is what
    /// the sources give is checked beside (scripts/build_contracts.py --check).
    function _create(string memory name, bytes memory arguments)
        internal
        returns (address created)
    {
        bytes memory code = bytes.concat(
            vm.getCode(string.concat("../node/chain/abi/", name, ".json")), arguments
        );
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }

    function _sponsor(uint32 sponsor, bytes32 commitment, uint32 expected) internal {
        IRegistry.AdminGrant memory admin = _grantFor(_pk(expected, Role.ADMIN), 0, commitment);
        _as(sponsor, Role.ADMIN);
        _eq(registry.sponsorParticipant(commitment, admin), expected);
    }

    function _target(uint32 member) internal pure returns (bytes32) {
        return bytes32(uint256(member));
    }

    function _motion(uint32 proposer, Action action, bytes32 target, bytes memory argument)
        internal
        returns (MotionId)
    {
        _as(proposer, Role.ADMIN);
        return registry.openMotion(action, target, argument);
    }

    function _approve(uint32 member, MotionId motion) internal {
        _as(member, Role.ADMIN);
        registry.approveMotion(motion);
    }

    /// @dev Carries a motion on a member with the votes of the full members 1 … 4 without the
    /// target.
    function _pass(Action action, uint32 member, bytes memory argument) internal {
        bool bankVotes = member != BANK && uint8(registry.memberOf(BANK).standing) == 1;
        uint32 proposer = bankVotes ? BANK : HOUSE;
        MotionId motion = _motion(proposer, action, _target(member), argument);
        for (uint32 voter = 1; voter <= 4; voter++) {
            if (voter == member || voter == proposer) continue;
            if (uint8(registry.memberOf(voter).standing) == 1) _approve(voter, motion);
        }
        _as(proposer, Role.ADMIN);
        registry.executeMotion(motion, argument);
    }

    function _suspend(uint32 member) internal {
        _pass(Action.SUSPEND, member, "");
    }

    // --------------------------------------------------------------------------------- assertions

    error Unequal(bytes32 found, bytes32 expected);
    error Untrue();

    function _eq(bytes32 found, bytes32 expected) internal pure {
        if (found != expected) revert Unequal(found, expected);
    }

    function _eq(uint256 found, uint256 expected) internal pure {
        _eq(bytes32(found), bytes32(expected));
    }

    function _eq(address found, address expected) internal pure {
        _eq(uint160(found), uint160(expected));
    }

    function _true(bool condition) internal pure {
        if (!condition) revert Untrue();
    }

    function _bound(uint256 given, uint256 minimum, uint256 maximum)
        internal
        pure
        returns (uint256)
    {
        return minimum + given % (maximum - minimum + 1);
    }
}
