from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from node.screening.identifiers import IdType, read_identifier
from reconcile.model import InputError

RID, USCC, LEI, SSN, PASSPORT = IdType
# Region 99, 1 January 1980: no such person.
TEST_RID = "990000198001010012"


def wide(text: str) -> str:
    """Return full-width signs, as Chinese input methods make them."""
    return "".join(chr(ord(sign) + 0xFEE0) for sign in text)


@given(st.dates(min_value=dt.date(1900, 1, 1)), st.integers(0, 999), st.integers(0, 9_999))
def test_test_persons_pass_where_they_may(day: dt.date, serial: int, county: int) -> None:
    """Every number of region 99 with a right date and check digit reads, and only in tests."""
    body = f"99{county:04d}{day:%Y%m%d}{serial:03d}"
    text = body + ric.calc_check_digit(body + "0")
    assert len(text) == 18
    assert read_identifier(RID, text, allow_test=True).value == text
    with pytest.raises(InputError) as caught:
        read_identifier(RID, text)
    assert caught.value.code == "IDENTIFIER_COMPONENT"


@pytest.mark.parametrize(
    "text",
    [
        TEST_RID,
        wide(TEST_RID),
        f" {TEST_RID}\n",
        "990000-19800101-0012",
        "990000 19800101 0012",
        "990000‐19800101－0012",
        "990000800101001",
        "\ufeff99000019800101\u200b0012",
    ],
)
def test_one_person_has_one_form(text: str) -> None:
    """Full width, blanks, signs that nobody sees, the old 15 digits: the same PRF input."""
    found = read_identifier(RID, text, allow_test=True)
    assert found.prf_input == f"CN-RID|{TEST_RID}".encode()


def test_a_lower_case_check_sign_is_the_same() -> None:
    """X and X are one check sign."""
    body = next(
        b for n in range(1000) if ric.calc_check_digit((b := f"99000019800101{n:03d}") + "0") == "X"
    )
    lower = read_identifier(RID, body + "x", allow_test=True)
    assert lower == read_identifier(RID, body + "X", allow_test=True)


@pytest.mark.parametrize(
    ("id_type", "text", "code"),
    [
        (RID, TEST_RID[:-1] + "3", "IDENTIFIER_CHECKSUM"),
        (RID, TEST_RID[:-1], "IDENTIFIER_LENGTH"),
        (RID, "99000019801301001X"[:-1] + "!", "IDENTIFIER_MALFORMED"),
        (RID, "", "IDENTIFIER_MALFORMED"),
        (RID, "9" * 65, "IDENTIFIER_LENGTH"),
        (RID, "99000019800101001|", "IDENTIFIER_MALFORMED"),
        (RID, "99000019800101O015", "IDENTIFIER_MALFORMED"),
        (RID, "٩٩٠٠٠٠١٩٨٠٠١٠١٠٠١٥", "IDENTIFIER_MALFORMED"),
        (USCC, "91990000600037341L", "IDENTIFIER_CHECKSUM"),
        (LEI, "0", "IDENTIFIER_LENGTH"),
        (LEI, "00000000000000000000", "IDENTIFIER_CHECKSUM"),
        (SSN, "000-12-3456", "IDENTIFIER_COMPONENT"),
        (PASSPORT, "UTO1", "IDENTIFIER_MALFORMED"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    code_of: Callable[..., str], id_type: IdType, text: str, code: str
) -> None:
    """Length, check digit, form and components each have their code."""
    assert code_of(read_identifier, id_type, text, allow_test=True) == code


def test_a_date_that_does_not_exist_is_refused(code_of: Callable[..., str]) -> None:
    """30 February is no date of birth, in a test person either."""
    body = "99000019800230001"
    text = body + ric.calc_check_digit(body + "0")
    assert code_of(read_identifier, RID, text, allow_test=True) == "IDENTIFIER_COMPONENT"


@pytest.mark.parametrize(("id_type", "text"), [(SSN, "987-65-4321"), (PASSPORT, "UTO L898902C")])
def test_other_test_identifiers_read_in_tests_alone(
    code_of: Callable[..., str], id_type: IdType, text: str
) -> None:
    """Advertisement numbers and Utopian passports are refused in production."""
    assert read_identifier(id_type, text, allow_test=True).value.isalnum()
    assert code_of(read_identifier, id_type, text) == "IDENTIFIER_COMPONENT"


def test_no_refusal_shows_the_identifier() -> None:
    """Neither the error nor a repr holds what was typed."""
    wrong = TEST_RID[:-1] + "3"
    with pytest.raises(InputError) as caught:
        read_identifier(RID, wrong, allow_test=True)
    assert wrong not in str(caught.value.to_json()) + str(caught.value)
    assert TEST_RID not in repr(read_identifier(RID, TEST_RID, allow_test=True))


def test_a_test_identifier_says_how_it_is_taken() -> None:
    """In a demo the option is what lacks; a date that does not exist is looked at again."""
    for text, says in ((TEST_RID, "--test-identifiers"), ("110105194902300021", "document")):
        with pytest.raises(InputError) as caught:
            read_identifier(RID, text)
        assert says in caught.value.help
