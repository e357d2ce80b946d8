// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title MerkleLib
/// @notice RFC 6962 trees over SHA-256, and the commitment that a batch carries.
library MerkleLib {
    /// @notice SHA-256(0x00 ‖ salt ‖ record): the leaf of one salted record.
    function leafOf(bytes16 salt, bytes calldata record) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), salt, record));
    }

    /// @notice SHA-256(0x02 ‖ count ‖ root); `count` includes the header.
    function commitmentOf(uint64 count, bytes32 root) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x02), count, root));
    }

    /// @notice The root that a leaf and its audit path lead to (RFC 9162, 2.1.3.2, same tree as RFC
    /// 6962).
    /// @return fits false where index, count and the path's length do not fit together.
    /// @return root the computed root, meaningful where `fits`.
    function rootOf(bytes32 leaf, uint64 index, uint64 count, bytes32[] calldata path)
        internal
        pure
        returns (bool fits, bytes32 root)
    {
        if (index >= count) return (false, 0);
        uint64 node = index;
        uint64 last = count - 1;
        root = leaf;
        for (uint256 i = 0; i < path.length; i++) {
            if (last == 0) return (false, 0);
            if (node & 1 == 1 || node == last) {
                root = _join(path[i], root);
                // A right-most node without a left sibling moves up alone, to where it has one.
                while (node & 1 == 0 && node != 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                root = _join(root, path[i]);
            }
            node >>= 1;
            last >>= 1;
        }
        fits = last == 0;
    }

    function _join(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
