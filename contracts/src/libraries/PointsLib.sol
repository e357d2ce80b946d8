// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title PointsLib
/// @notice Accuracy, settlement, penalties and caps in integers; the node computes the same
/// (node/screening/points.py), held by shared vectors. Every division is a floor.
library PointsLib {
    uint256 internal constant MICRO = 1_000_000;
    /// 1.645, the one-sided 95% bound of a normal distribution, in thousandths.
    uint256 private constant Z_MILLI = 1645;
    uint256 private constant PENALTY_FACTOR = 10;

    /// @notice A lower bound, in millionths, of how often an uploader's entries stand.
    function accuracy(uint256 upheld, uint256 overturned) internal pure returns (uint256) {
        uint256 n = upheld + overturned + 2;
        uint256 p = MICRO * (upheld + 1) / n;
        uint256 spread = Z_MILLI * isqrt(p * (MICRO - p) / (n + 1)) / 1000;
        return p > spread ? p - spread : 0;
    }

    /// @notice What a row pays for `hits`, the `k`-th confirmations of a pair, out of `burned`.
    function settlement(uint256 hits, uint256 k, uint256 burned, uint256 accuracy_)
        internal
        pure
        returns (uint256)
    {
        uint256 worth = hits * (1e10 / isqrt(MICRO * k));
        return (worth < burned ? worth : burned) * accuracy_ * accuracy_ / 1e12;
    }

    /// @notice What an overturned entry costs beside its stake.
    function penalty(uint256 stake, uint256 earned) internal pure returns (uint256) {
        return PENALTY_FACTOR * (stake > earned ? stake : earned);
    }

    /// @notice One node's share of a daily cap, rounded up.
    function nodeCap(uint256 cap, uint256 threshold, uint256 nodes)
        internal
        pure
        returns (uint256)
    {
        return (cap * threshold + nodes - 1) / nodes;
    }

    /// @notice The integer square root, rounded down (Newton's method from above).
    function isqrt(uint256 x) internal pure returns (uint256 root) {
        if (x < 2) return x;
        root = (x >> 1) + 1;
        uint256 next = (root + x / root) >> 1;
        while (next < root) {
            root = next;
            next = (root + x / root) >> 1;
        }
    }
}
