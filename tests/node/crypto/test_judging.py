from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import node.crypto
import reconcile.commitment
from node.crypto.frame import PAYLOAD_SIZES
from node.crypto.judging import judge_payload
from node.crypto.sealing import leaf_salts, seal_batch
from reconcile.commitment.header import PlainBatch, build_batch
from reconcile.commitment.heads import BatchPlace, Stream, commit
from reconcile.commitment.validity import BatchRules, Reason, StreamState
from reconcile.model import Direction, Entry, Side

STREAM = Stream(31_337, b"\x11" * 20, b"\x22" * 32, Side.OWNER)
PLACE = BatchPlace(STREAM, 1, 166_232, 1)
KEY = bytes(range(32))
RULES = BatchRules()


def plain(*refs: str) -> PlainBatch:
    """Build a truthful batch of entries."""
    records = [Entry(ref, 0, Direction.IN, 1, "CNY", 20_779) for ref in refs]
    return build_batch(
        agreement=STREAM.agreement, side=STREAM.side, seq=1, window=166_232, records=records
    )


def test_a_posted_batch_is_opened_and_judged() -> None:
    """The verdict of a good payload is valid, and its records are given."""
    sealed = seal_batch(plain("a", "b", "a"), KEY, PLACE)
    judged = judge_payload(sealed.payload, sealed.commitment, PLACE, KEY, RULES, StreamState())
    assert judged.validity.valid
    assert judged.validity.repeats == (3,)
    assert judged.opened is not None
    assert judged.opened.plain == plain("a", "b", "a")


def test_a_batch_that_does_not_open_is_a_verdict() -> None:
    """Poison has a reason and stops nothing."""
    sealed = seal_batch(plain("a"), KEY, PLACE)
    judged = judge_payload(
        sealed.payload, sealed.commitment, PLACE, bytes(32), RULES, StreamState()
    )
    assert (judged.validity.reason, judged.opened) == (Reason.NOT_OPENED, None)


def test_an_opened_batch_that_does_not_count_is_shown() -> None:
    """A batch that opens and is invalid is given with its reason, for people to look at."""
    sealed = seal_batch(plain("a"), KEY, PLACE)
    rules = BatchRules(currencies=frozenset({"EUR"}))
    judged = judge_payload(sealed.payload, sealed.commitment, PLACE, KEY, rules, StreamState())
    assert judged.validity.reason is Reason.CURRENCY_NOT_AGREED
    assert judged.opened is not None


@given(st.binary(max_size=64), st.sampled_from([*PAYLOAD_SIZES, 100]), st.integers(0, 2))
@settings(max_examples=50)
def test_whatever_is_posted_gets_a_verdict(head: bytes, size: int, suite: int) -> None:
    """Arbitrary payloads are judged, never raised."""
    payload = (bytes([suite]) + head).ljust(size, b"\x00")[:size]
    judged = judge_payload(payload, bytes(32), PLACE, KEY, RULES, StreamState())
    assert judged.validity.reason in {
        Reason.PAYLOAD_SIZE,
        Reason.SUITE_UNKNOWN,
        Reason.NOT_OPENED,
    }


@given(st.data())
@settings(max_examples=150)
def test_whatever_a_key_holder_seals_gets_a_verdict(data: st.DataObject) -> None:
    """Even properly sealed and committed nonsense is judged, with a reason of the list."""
    good = plain("a", "b")
    changed = bytearray(good.plaintext)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    dishonest = PlainBatch(good.header, good.records, good.items, bytes(changed))
    sealed = seal_batch(dishonest, KEY, PLACE)
    judged = judge_payload(sealed.payload, sealed.commitment, PLACE, KEY, RULES, StreamState())
    if bytes(changed) == good.plaintext:
        assert judged.validity.valid
    else:
        assert judged.validity.reason in set(Reason)


def test_a_commitment_to_changed_items_is_judged_by_its_content() -> None:
    """A dishonest side that commits to what it changed is judged by the records themselves."""
    good = plain("a")
    changed = good.plaintext.replace(b"\xa1a", b"\xa1\x01")
    items = (good.items[0], good.items[1].replace(b"\xa1a", b"\xa1\x01"))
    dishonest = PlainBatch(good.header, good.records, items, changed)
    sealed = seal_batch(dishonest, KEY, PLACE)
    assert sealed.commitment == commit(leaf_salts(sealed.salt_key, 2), items)
    judged = judge_payload(sealed.payload, sealed.commitment, PLACE, KEY, RULES, StreamState())
    assert (judged.validity.reason, judged.validity.at) == (Reason.RECORD_FIELD, 1)


def test_every_refusal_of_a_payload_is_a_reason() -> None:
    """No code that opening or reading may raise is missing among the reasons."""
    modules = [Path(node.crypto.__file__).parent / name for name in ("frame.py", "sealing.py")] + [
        Path(reconcile.commitment.__file__).parent / name for name in ("plain.py", "records.py")
    ]
    codes = set()
    for module in modules:
        codes |= set(re.findall(r'_refused\(\s*"([A-Z_]+)"', module.read_text(encoding="utf-8")))
    assert len(codes) > 12
    assert codes <= {str(reason) for reason in Reason}
