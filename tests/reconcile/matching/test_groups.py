from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from reconcile.matching.groups import SCHEMA, WIDE, Groups
from reconcile.model import MatchGroup, Side


def _split(refs: list[str], cuts: list[int]) -> list[tuple[str, ...]]:
    """Cut refs into parts of these sizes."""
    parts, start = [], 0
    for size in cuts:
        parts.append(tuple(sorted(refs[start : start + size])))
        start += size
    return [part for part in parts if part]


@st.composite
def groups(draw: st.DrawFn, bare: bool = True) -> list[MatchGroup]:
    """Return groups in any order, no ref in two of them; some without the servicer's refs."""
    refs = draw(st.lists(st.text("aZ0é", min_size=1, max_size=4), unique=True, max_size=12))
    sides = _split(refs, draw(st.lists(st.integers(1, 3), max_size=8)))
    made = []
    for part in sides:
        mine = () if bare and draw(st.integers(0, 4)) == 0 else part
        minor = draw(st.sampled_from([0, 0, 7, -(2**70)]))
        made.append(MatchGroup(draw(st.sampled_from(["e2e", "tx"])), mine, part, "CNY", minor))
    return made


def canonical(items: list[MatchGroup]) -> list[MatchGroup]:
    """Return groups in the order of the specification."""
    return sorted(items, key=lambda item: (item.servicer, item.owner))


@given(groups())
def test_columns_read_as_the_groups_they_hold(made: list[MatchGroup]) -> None:
    """Length, items, slices, iteration and equality are those of the sorted list."""
    found, expected = Groups.of(made), canonical(made)
    assert found == expected
    assert [found[place] for place in range(-len(made), 0)] == expected
    assert list(found[::-1]) == expected[::-1]
    assert list(found[1:3]) == expected[1:3]
    assert found.open_residuals() == [item for item in expected if item.residual_minor]
    assert found.to_arrow().schema == SCHEMA


@given(groups(), st.integers(0, 7))
def test_a_few_groups_find_their_place_among_many(made: list[MatchGroup], cut: int) -> None:
    """Merging a part into the rest gives all of them in canonical order."""
    many = [item for item in made[cut:] if item.servicer]
    few = [item for item in made if item not in many]
    assert Groups.of(many).merged(Groups.of(few)) == canonical(made)


@given(groups(bare=False))
def test_the_group_that_holds_a_ref_is_found(made: list[MatchGroup]) -> None:
    """Every ref of a side leads to its group, and a foreign one to none."""
    found = Groups.of(made)
    held = {ref: item for item in made for ref in item.servicer}
    assert found.holding(Side.SERVICER, [*held, "!"]) == held
    assert sorted(found.refs(Side.SERVICER).to_pylist()) == sorted(held)


def test_pairs_in_any_order_become_canonical() -> None:
    """Columns of 1:1 groups are sorted by the servicer's refs."""
    found = Groups.pairs(
        pa.array(["tx", "e2e"]).dictionary_encode(),
        pa.array(["s2", "s1"]),
        pa.array(["o1", "o2"]),
        pa.array(["CNY", "CNY"]),
        pa.array([0, 5], WIDE),
    )
    assert found == [
        MatchGroup("e2e", ("s1",), ("o2",), "CNY", 5),
        MatchGroup("tx", ("s2",), ("o1",), "CNY", 0),
    ]


def test_groups_are_written_as_parquet(tmp_path: Path) -> None:
    """The file holds the same columns, in the same order."""
    made = [MatchGroup("e2e", (f"s{n:04d}",), (f"o{n}",), "CNY", n % 3) for n in range(2_000)]
    Groups.of(made).write_parquet(tmp_path / "groups.parquet")
    assert Groups(pq.read_table(tmp_path / "groups.parquet").cast(SCHEMA)) == made
