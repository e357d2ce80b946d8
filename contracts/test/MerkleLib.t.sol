// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MerkleLib} from "../src/libraries/MerkleLib.sol";
import {Base} from "./Base.sol";

/// @notice MerkleLib against RFC 6962's recursive definition.
contract MerkleLibTest is Base {
    function setUp() public override {}

    function rootOf(bytes32 leaf, uint64 index, uint64 count, bytes32[] calldata path)
        external
        pure
        returns (bool, bytes32)
    {
        return MerkleLib.rootOf(leaf, index, count, path);
    }

    function leafOf(bytes16 salt, bytes calldata record) external pure returns (bytes32) {
        return MerkleLib.leafOf(salt, record);
    }

    // ------------------------------------------------------- RFC 6962, section 2.1, word for word

    function _split(uint256 count) private pure returns (uint256 k) {
        k = 1;
        while (k * 2 < count) k *= 2;
    }

    function _root(bytes32[] memory leaves, uint256 from, uint256 to)
        private
        pure
        returns (bytes32)
    {
        if (to - from == 1) return leaves[from];
        uint256 middle = from + _split(to - from);
        return
            sha256(
                bytes.concat(bytes1(0x01), _root(leaves, from, middle), _root(leaves, middle, to))
            );
    }

    function _path(bytes32[] memory leaves, uint256 index, uint256 from, uint256 to)
        private
        pure
        returns (bytes32[] memory path)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 middle = from + _split(to - from);
        bool left = index < middle;
        bytes32[] memory below =
            left ? _path(leaves, index, from, middle) : _path(leaves, index, middle, to);
        path = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; i++) {
            path[i] = below[i];
        }
        path[below.length] = left ? _root(leaves, middle, to) : _root(leaves, from, middle);
    }

    function _leaves(uint256 count, bytes32 seed) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) {
            leaves[i] = keccak256(abi.encode(seed, i));
        }
    }

    // ---------------------------------------------------------------------------------------- tests

    function test_rootOf_refusesIndexesOutsideTheTree(uint64 index, uint64 count) public view {
        vm.assume(index >= count);
        (bool fits,) = this.rootOf(bytes32(0), index, count, new bytes32[](0));
        _true(!fits);
    }

    function test_rootOf_refusesOtherPathLengths(uint8 size, uint8 which, bool longer) public view {
        uint64 count = uint64(_bound(size, 2, 64));
        uint64 index = which % count;
        bytes32[] memory right = _path(_leaves(count, 0), index, 0, count);
        bytes32[] memory wrong = new bytes32[](longer ? right.length + 1 : right.length - 1);
        (bool fits,) = this.rootOf(bytes32(0), index, count, wrong);
        _true(!fits);
    }

    function test_rootOf_equalsTheDefinition(uint8 size, uint8 which, bytes32 seed) public view {
        uint64 count = uint64(_bound(size, 1, 70));
        uint64 index = which % count;
        bytes32[] memory leaves = _leaves(count, seed);
        (bool fits, bytes32 root) =
            this.rootOf(leaves[index], index, count, _path(leaves, index, 0, count));
        _true(fits);
        _eq(root, _root(leaves, 0, count));
    }

    /// The same leaf and path at another index lead elsewhere.
    function test_rootOf_bindsTheIndex(uint8 size, uint8 which, uint8 other) public view {
        uint64 count = uint64(_bound(size, 2, 70));
        uint64 index = which % count;
        vm.assume(other < count && other != index);
        bytes32[] memory leaves = _leaves(count, "seed");
        bytes32[] memory path = _path(leaves, index, 0, count);
        (bool fits, bytes32 root) = this.rootOf(leaves[index], other, count, path);
        _true(!fits || root != _root(leaves, 0, count));
    }

    function test_leafOf_isTheDocumentedHash(bytes16 salt, bytes calldata record) public view {
        _eq(this.leafOf(salt, record), sha256(bytes.concat(bytes1(0), salt, record)));
    }

    function test_commitmentOf_isTheDocumentedHash(uint64 count, bytes32 root) public pure {
        bytes32 expected = sha256(bytes.concat(bytes1(0x02), bytes8(count), root));
        _eq(MerkleLib.commitmentOf(count, root), expected);
    }
}
