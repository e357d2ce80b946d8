"""Numbers of an address or a form, refused where nothing of that number can exist.

A greater one would overflow a day of the calendar or a column of the database, which is a fault of
ours in the log and not an answer.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from reconcile.commitment.records import MAX_DAY
from reconcile.model import InputError, Where, window_of

MAX_WINDOW: Final = window_of(MAX_DAY)
MAX_NUMBER: Final = 2**31 - 1
MAX_SEQ: Final = 2**63 - 1

# A window whose day a calendar holds.
WindowNumber = Annotated[int, Field(ge=0, le=MAX_WINDOW)]
# The number of a row.
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
# The sequence number of a batch: a column of 64 bits holds it.
SeqNumber = Annotated[int, Field(ge=0, le=MAX_SEQ)]


def seq_of(text: str) -> int | None:
    """Return the batch that a form's field names, None where it is empty.

    Raises `InputError` BATCH_MALFORMED: a greater number than any batch has names none, and must
    not be taken for all of them.
    """
    digits = text.strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and int(digits[:20]) <= MAX_SEQ) or (
        len(digits) > len(str(MAX_SEQ))
    ):
        raise InputError(
            "BATCH_MALFORMED",
            f"{digits[:24]!r} is no number of a batch",
            where=Where(field="batch"),
            help="take it from the ledger page",
        )
    return int(digits)
