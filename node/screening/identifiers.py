"""Identifiers in their one form, so that the same person gives every member the same PRF input.

Checks are python-stdnum's. An identifier never stands in an error, a log or a `repr`. Identifiers
that cannot exist (region code 99, Utopia) are for tests and demonstrations and refused elsewhere.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import stdnum.cn.ric as cn_rid
import stdnum.cn.uscc as cn_uscc
import stdnum.lei
import stdnum.us.ssn as us_ssn
from stdnum.exceptions import (
    InvalidChecksum,
    InvalidComponent,
    InvalidLength,
    ValidationError,
)

from reconcile.model import InputError, Where

MAX_LENGTH: Final = 64
_LOOK: Final = "Look at the document again; the identifier is not shown here on purpose."
_ON_TRIAL: Final = "Of a demo or trial, it is taken with --test-identifiers (region 99 is nowhere)."
_SEPARATORS: Final = re.compile(r"[\s\ufeff\u200b-\u200d\u2060\-‐-―−./·]+")
_OLD_CN_RID: Final = re.compile(r"[0-9]{15}")
_PASSPORT: Final = re.compile(r"[A-Z]{3}[A-Z0-9]{6,9}")
_TEST_REGION: Final = "99"
_TEST_COUNTRY: Final = "UTO"  # Utopia, of ICAO Doc 9303's specimens
_TEST_SSN: Final = "98765432"  # never issued: the range of advertisements


class IdType(enum.StrEnum):
    """Which identifier it is; the word goes into the PRF's input."""

    CN_RID = "CN-RID"
    CN_USCC = "CN-USCC"
    LEI = "LEI"
    US_SSN = "US-SSN"
    PASSPORT = "PASSPORT"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A checked identifier; `value` is its one form."""

    type: IdType
    value: str

    def __repr__(self) -> str:
        """Show the type, never the identifier."""
        return f"Identifier({self.type})"

    @property
    def prf_input(self) -> bytes:
        """Return idType ‖ "|" ‖ normalised id (blacklist.md, "Keys")."""
        return f"{self.type}|{self.value}".encode("ascii")


def read_identifier(id_type: IdType, text: str, *, allow_test: bool = False) -> Identifier:
    """Return a checked identifier in its one form.

    Full-width digits, blanks, hyphens, signs without width, lower case and the resident identity
    number of 15 digits (before 1999) come out as the same identifier. Raises `InputError`
    IDENTIFIER_LENGTH, IDENTIFIER_CHECKSUM, IDENTIFIER_COMPONENT (a date, region or country that
    does not exist) or IDENTIFIER_MALFORMED.
    """
    if len(text) > MAX_LENGTH:
        raise _refuse("IDENTIFIER_LENGTH", id_type, "is too long")
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not plain.isascii() or not plain.isalnum():
        raise _refuse("IDENTIFIER_MALFORMED", id_type, "has other signs than letters and digits")
    try:
        return Identifier(id_type, _CHECKS[id_type](plain, allow_test))
    except InvalidLength:
        raise _refuse("IDENTIFIER_LENGTH", id_type, "has another length") from None
    except InvalidChecksum:
        raise _refuse("IDENTIFIER_CHECKSUM", id_type, "has a wrong check digit") from None
    except InvalidComponent:
        says = "names a date, region or country that does not exist"
        help_ = _ON_TRIAL if _is_test(id_type, plain) else _LOOK
        raise _refuse("IDENTIFIER_COMPONENT", id_type, says, help_) from None
    except ValidationError:
        raise _refuse("IDENTIFIER_MALFORMED", id_type, "has another form") from None


def _check_cn_rid(text: str, allow_test: bool) -> str:
    if _OLD_CN_RID.fullmatch(text):
        # GB 11643-1999: the century and a check digit were added to the old form.
        widened = f"{text[:6]}19{text[6:]}"
        text = widened + cn_rid.calc_check_digit(f"{widened}0")
    if not (allow_test and text.startswith(_TEST_REGION)):
        return cn_rid.validate(text)
    if len(text) != 18:  # noqa: PLR2004 - the standard's length
        raise InvalidLength
    if not text[:-1].isdigit():
        raise ValidationError
    if text[-1] != cn_rid.calc_check_digit(text):
        raise InvalidChecksum
    cn_rid.get_birth_date(text)
    return text


def _check_cn_uscc(text: str, allow_test: bool) -> str:
    checked = cn_uscc.validate(text)
    if checked[2:4] == _TEST_REGION and not allow_test:
        raise InvalidComponent
    return checked


def _check_lei(text: str, _allow_test: bool) -> str:
    if len(text) != 20:  # noqa: PLR2004 - ISO 17442
        raise InvalidLength
    return stdnum.lei.validate(text)


def _check_us_ssn(text: str, allow_test: bool) -> str:
    is_test = len(text) == 9 and text.startswith(_TEST_SSN)  # noqa: PLR2004 - its length
    return text if allow_test and is_test else us_ssn.validate(text)


def _check_passport(text: str, allow_test: bool) -> str:
    """Take ICAO Doc 9303's issuing state and document number; the book has no check digit there."""
    if not _PASSPORT.fullmatch(text):
        raise ValidationError
    if text.startswith(_TEST_COUNTRY) and not allow_test:
        raise InvalidComponent
    return text


_CHECKS: Final[dict[IdType, Callable[[str, bool], str]]] = {
    IdType.CN_RID: _check_cn_rid,
    IdType.CN_USCC: _check_cn_uscc,
    IdType.LEI: _check_lei,
    IdType.US_SSN: _check_us_ssn,
    IdType.PASSPORT: _check_passport,
}


def _is_test(id_type: IdType, plain: str) -> bool:
    """Say whether it would be taken where people who cannot exist are."""
    try:
        return bool(_CHECKS[id_type](plain, True))
    except ValidationError:
        return False


def _refuse(code: str, id_type: IdType, says: str, help_: str = _LOOK) -> InputError:
    return InputError(
        code,
        f"the identifier {says}",
        where=Where(field=str(id_type)),
        help=help_,
    )
