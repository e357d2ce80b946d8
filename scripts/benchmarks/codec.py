"""Sealing and opening batches beside the bare libraries that do the unavoidable part."""

from __future__ import annotations

import argparse
import hashlib

import msgspec
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.crypto.sealing import OpenedBatch, SealedBatch, fit_batch, open_batch, seal_batch
from reconcile.commitment import BatchPlace, PlainBatch, Stream, build_batch
from reconcile.model import Entry, Record, Side
from scripts.bench import Measurement, compare
from scripts.benchmarks.entries import make_entries

AGREEMENT = hashlib.sha256(b"bench agreement").digest()
STREAM = Stream(20_251, bytes(20), AGREEMENT, Side.SERVICER)
EPOCH_KEY = hashlib.sha256(b"bench epoch").digest()
WINDOW = 20_776 * 8


def _build(records: list[Record], seq: int) -> PlainBatch:
    return build_batch(
        agreement=AGREEMENT, side=Side.SERVICER, seq=seq, window=WINDOW, records=records
    )


def seal_all(entries: list[Entry]) -> list[tuple[BatchPlace, PlainBatch, SealedBatch]]:
    """Seal all entries into as few batches as they fit."""
    sealed = []
    start = 0
    while start < len(entries):
        seq = len(sealed) + 1
        plain = fit_batch(entries[start:], lambda part, seq=seq: _build(list(part), seq))
        place = BatchPlace(STREAM, seq, WINDOW, 1)
        sealed.append((place, plain, seal_batch(plain, EPOCH_KEY, place)))
        start += plain.header.count
    return sealed


def open_all(batches: list[tuple[BatchPlace, PlainBatch, SealedBatch]]) -> list[OpenedBatch]:
    """Open every batch and check its commitment."""
    return [
        open_batch(sealed.payload, EPOCH_KEY, place, sealed.commitment)
        for place, _, sealed in batches
    ]


def bench_codec(options: argparse.Namespace) -> list[Measurement]:
    """Measure sealing and opening; the peers do encoding, zstd and AES-GCM and nothing else."""
    entries = make_entries(options.rows)
    batches = seal_all(entries)
    plaintexts = [plain.plaintext for _, plain, _ in batches]
    cipher = AESGCM(EPOCH_KEY)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
    decode_entry = msgspec.msgpack.Decoder(Entry).decode
    counts = [plain.header.count for _, plain, _ in batches]

    def bare_seal() -> None:
        start = 0
        for count in counts:
            body = encode(entries[start : start + count])
            packed = zstandard.ZstdCompressor(level=1).compress(body)
            cipher.encrypt(bytes(12), packed, None)
            start += count

    boxes = [
        cipher.encrypt(bytes(12), zstandard.ZstdCompressor(level=1).compress(item), None)
        for item in plaintexts
    ]

    def bare_open() -> None:
        for box in boxes:
            body = zstandard.ZstdDecompressor().decompress(cipher.decrypt(bytes(12), box, None))
            for item in decode(body)[1:]:
                decode_entry(item)

    runs = options.runs
    peer_seal = "msgspec + zstd + AES-GCM, bare"
    peer_open = "AES-GCM + zstd + msgspec, bare"
    size = sum(len(sealed.payload) for _, _, sealed in batches)
    seal = compare("seal", len(entries), lambda: seal_all(entries), peer_seal, bare_seal, runs=runs)
    seal.extra = {"batches": len(batches), "payload bytes an entry": round(size / len(entries), 1)}
    opened = compare(
        "open", len(entries), lambda: open_all(batches), peer_open, bare_open, runs=runs
    )
    return [seal, opened]
