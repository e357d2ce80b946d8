from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from listed_people import person_of, tag_of

from node.screening.derivation import Tag, person_key

SEED = bytes(range(32))
GOLDEN = (
    "4b601b3a9db13a0d45b3df8de65346977d270b3efbdb83c5d122c6523147c811",
    "2870a83cd66192fde33f66fca5e73a3936995f112cce452db4b48fa2c5c95d4e",
    "1675df284e3c593cf04e4263416093ce26acbd41f24722f2b6b36e1244de6949",
)
GOLDEN_ADDRESS = "0x11D21E81721C81B0667C937f1c0827727c24108e"


def test_the_golden_derivations() -> None:
    """Bucket, leaf, label key and person key cannot drift: their hex is written down here."""
    tag = Tag(bytes(range(64)), 7)
    assert (tag.loc.hex(), tag.leaf(bytes(32)).hex(), tag.label_key.hex()) == GOLDEN
    assert person_key(SEED, 31_337, 3).address == GOLDEN_ADDRESS


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 2))
def test_everything_depends_on_epoch_entry_and_label(entry: bytes, epoch: int) -> None:
    """No two of the derived values are equal, in one epoch or the next."""
    output = tag_of(person_of()).output
    now, later = Tag(output, epoch), Tag(output, epoch + 1)
    other = bytes(byte ^ 1 for byte in entry)
    values = [t.loc for t in (now, later)] + [t.label_key for t in (now, later)]
    values += [t.leaf(e) for t in (now, later) for e in (entry, other)]
    assert len(set(values)) == 8


def test_persons_keys_are_apart_by_member_and_chain() -> None:
    """What a person signs towards one member says nothing to another, or on another chain."""
    found = {person_key(SEED, chain, member).address for chain in (1, 2) for member in (1, 2, 3)}
    assert len(found) == 6


def test_a_tag_does_not_show() -> None:
    """T is not in what a log would print."""
    tag = tag_of(person_of())
    assert tag.output.hex() not in repr(tag)
    assert repr(tag.output) not in repr(tag)
