"""Numbers of an address or a form, refused where nothing of that number can exist.

A greater one would overflow a day of the calendar or a column of the database, which is a fault of
ours in the log and not an answer.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from reconcile.commitment.records import MAX_DAY
from reconcile.model import window_of

MAX_WINDOW: Final = window_of(MAX_DAY)
MAX_NUMBER: Final = 2**31 - 1

# A window whose day a calendar holds.
WindowNumber = Annotated[int, Field(ge=0, le=MAX_WINDOW)]
# The number of a row.
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
