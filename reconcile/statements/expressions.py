"""Regular expressions of profiles, by RE2: no expression can take more than linear time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2


@lru_cache(maxsize=4096)
def expression(pattern: str) -> Any:  # noqa: ANN401 - google-re2 has no types
    """Compile a pattern; raises `ValueError` with RE2's reason if it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(text) from None
