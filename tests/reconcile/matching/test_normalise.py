from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.matching.normalise import PLACEHOLDERS, compile_chain, normalise_column
from reconcile.model import InputError

STEPS = st.lists(
    st.sampled_from(
        [
            "nfkc_ascii",
            "trim",
            "upper",
            "alnum",
            "digits",
            "strip_zeros",
            "first(3)",
            "last(6)",
            "extract(N([A-Z]+))",
            "extract([a-z]+)",
        ]
    ),
    max_size=4,
)
TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["NOTPROVIDED", " nonref ", "ＮＯＮＲＥＦ", "", " ", "NONREFX", "0NONREF"]),
    st.text(alphabet="aZ09 \t\u3000ＡＢａ１ßıé人-/\n", max_size=8),
)


@given(st.lists(TEXTS, max_size=12), STEPS, st.integers(1, 4))
def test_a_column_says_what_each_text_says(
    texts: list[str | None], steps: list[str], least: int
) -> None:
    """The fast path over whole columns equals the chain on each text."""
    key = compile_chain(tuple(steps), least)
    column = normalise_column(pa.array(texts, pa.string()), steps, least)
    assert column.to_pylist() == [key(text) for text in texts]


@given(TEXTS, STEPS, st.integers(1, 4))
def test_a_key_is_never_short_and_never_a_placeholder(
    text: str | None, steps: list[str], least: int
) -> None:
    """Too short, empty and placeholder texts never match anything."""
    value = compile_chain(tuple(steps), least)(text)
    assert value is None or (len(value) >= least and value not in PLACEHOLDERS)


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("nfkc_ascii", "ＡＢ－１\u3000ß①", "AB-1 ß①"),
        ("trim", " \t a b \t", "a b"),
        ("upper", "aßéız", "AßéıZ"),
        ("alnum", "A-1 人b/2", "A1b2"),
        ("digits", "A-1２ 2", "12"),
        ("strip_zeros", "0012300", "12300"),
        ("first(3)", "ABCDE", "ABC"),
        ("last(3)", "ABCDE", "CDE"),
        ("extract(INV([0-9]+))", "pay INV778 now", "778"),
        ("extract([0-9]+)", "pay INV778 now", "778"),
    ],
)
def test_each_step_touches_ascii_alone(step: str, text: str, expected: str) -> None:
    """Letters beyond ASCII stay as they are, on every machine."""
    assert compile_chain((step,), 1)(text) == expected


@pytest.mark.parametrize("step", ["lower", "first(0)", "first(x)", "last(2000)", "extract((", ""])
def test_unknown_steps_are_refused(step: str) -> None:
    """The refusal names the step and lists what there is."""
    with pytest.raises(InputError, match="TERMS_NORMALISATION"):
        compile_chain((step,), 1)
