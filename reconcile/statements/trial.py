"""What a profile would read of a file, and why it was chosen: `kanhe profile try`.

Nothing is refused here that lenient reading can show: contradictions are part of the answer. Where
no profile fits, a column map is proposed and written as the TOML of a profile.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from reconcile.model import InputError, KanheError, StatementFile
from reconcile.statements import column_map
from reconcile.statements.detect import HEAD_BYTES, Detected, identify
from reconcile.statements.drafts import Findings
from reconcile.statements.generic import Wanted
from reconcile.statements.profiles import (
    GENERIC,
    Profile,
    header_row,
    profile_named,
    profiles,
    squeeze,
)
from reconcile.statements.reading import read_statement_bytes
from reconcile.statements.tables import Row, Table, read_table
from reconcile.statements.words import entry_in_words

SHOWN_NEAREST: Final = 3
MIN_CELLS: Final = 3
TABLES: Final = frozenset({"csv", "tsv", "xlsx", "xls"})
_FLAGS: Final = ("decimal_comma", "month_first", "out_negative")


@dataclass(frozen=True, slots=True)
class Trial:
    """The answer: which profile and why, what it reads, and what it would need.

    `problem`: why nothing was read; `proposal`: the TOML of a profile where none fits.
    """

    format: str
    profile: str | None
    reason: str
    rows: tuple[str, ...] = ()
    read: StatementFile | None = None
    problem: KanheError | None = None
    nearest: tuple[str, ...] = ()
    proposal: str | None = None


def try_profile(
    data: bytes,
    name: str,
    *,
    profile: str | None = None,
    own: Sequence[Profile] = (),
    perspective: str | None = None,
    currency: str | None = None,
) -> Trial:
    """Read a file leniently by the profile that would be used, and say why that one."""
    wanted = Wanted(perspective, currency)
    named = None if profile in {None, GENERIC} else profile_named(str(profile), own)
    found = (
        Detected("fixed", named.name)
        if named is not None and named.fixed
        else identify(data[:HEAD_BYTES], name, own)
    )
    table = read_table(data, name, Findings()) if found.format in TABLES else None
    chosen = profile or found.profile
    start = Trial(found.format, chosen, _reason(found, profile, table, own))
    if table is not None and chosen is None:
        return _proposed(start, table, wanted, name, own)
    try:
        read = read_statement_bytes(
            data,
            name,
            profile=profile,
            perspective=perspective,
            currency=currency,
            lenient=True,
            own=own,
        )
    except KanheError as error:
        nearest = () if table is None else _nearest(table.rows, own)
        return replace(start, problem=error, nearest=nearest)
    return replace(start, read=read, rows=_rows(read))


def _rows(read: StatementFile) -> tuple[str, ...]:
    pairs = [
        (line, entry_in_words(entry, line, statement.digits))
        for statement in read.statements
        for entry, line in zip(
            statement.entries[: column_map.SHOWN_ROWS], statement.lines, strict=False
        )
    ]
    return tuple(text for _, text in sorted(pairs)[: column_map.SHOWN_ROWS])


def _reason(
    found: Detected, profile: str | None, table: Table | None, own: Sequence[Profile]
) -> str:
    if profile is not None:
        return f"you named {profile}"
    if found.format == "fixed":
        return f"the first line fits [fixed] recognise of {found.profile}"
    if table is None:
        return f"the file is {found.format}, which needs no profile"
    if found.profile == GENERIC:
        return "the header names the entry's own fields"
    if found.profile is None:
        return "no profile's header stands in the first 200 rows"
    chosen = profile_named(found.profile, own)
    at = header_row(table.rows, chosen.header)
    line = table.rows[at][0] if at is not None else 0
    return f"line {line} holds all of its header: {', '.join(chosen.header)}"


def _nearest(rows: Sequence[Row], own: Sequence[Profile]) -> tuple[str, ...]:
    """Say of the profiles that come nearest which header names the table lacks."""
    cells = {squeeze(cell) for _, row in rows[:200] for cell in row}
    scored = []
    for one in (*own, *profiles().values()):
        missing = [word for word in one.header if squeeze(word) not in cells]
        held = len(one.header) - len(missing)
        if held and one.autodetect:
            scored.append((len(missing), one.name, missing))
    scored.sort()
    return tuple(
        f"{name} lacks {', '.join(missing)}" for _, name, missing in scored[:SHOWN_NEAREST]
    )


def _proposed(
    start: Trial, table: Table, wanted: Wanted, name: str, own: Sequence[Profile]
) -> Trial:
    nearest = _nearest(table.rows, own)
    try:
        proposed = column_map.propose(table, wanted, name)
    except InputError as error:
        return replace(start, problem=error, nearest=nearest, proposal=skeleton(table.rows))
    rows = tuple(column_map.rows_in_words(table, proposed, wanted, name))
    debit_in = None if wanted.perspective is None else wanted.perspective == "ledger"
    kept = msgspec.structs.replace(
        proposed, debit_in=debit_in, currency=proposed.currency or wanted.currency
    )
    return replace(start, rows=rows, nearest=nearest, proposal=toml_of(kept))


def skeleton(rows: Sequence[Row]) -> str | None:
    """Return the beginning of a profile for a table whose header names nothing that is known."""
    found = next(
        (row for _, row in rows[:200] if sum(bool(cell.strip()) for cell in row) >= MIN_CELLS), None
    )
    if found is None:
        return None
    names = [cell for cell in found if cell.strip()]
    lines = [
        "# The header as it stands; put its names where they belong, and give it a name.",
        'name = "my-bank"',
        'title = "my bank\'s export"',
        f"header = {_strings(names)}",
        'currency = "CNY"',
        "",
        "[columns]",
        'date = ["…"]        # the day it was booked',
        'amount = ["…"]      # or amount_in and amount_out, or debit and credit with debit_in',
        'name = ["…"]        # the other party',
        'remittance = ["…"]',
        'balance = ["…"]     # beside the line, if there is one',
    ]
    return "\n".join(lines) + "\n"


def toml_of(profile: Profile) -> str:
    """Write a proposed column map as the TOML of a profile, to be named and kept."""
    lines = [
        "# Proposed from the header; check the rows above, then give it a name of your own.",
        'name = "my-bank"',
        'title = "my bank\'s export"',
        f"header = {_strings(profile.header)}",
    ]
    if profile.currency is not None:
        lines.append(f"currency = {_string(profile.currency)}")
    if profile.debit_in is not None:
        lines.append(f"debit_in = {'true' if profile.debit_in else 'false'}")
    if profile.source_ref is not None:
        lines.append(f"source_ref = {_strings(profile.ref_fields)}")
    lines += [f"{flag} = true" for flag in _FLAGS if getattr(profile, flag)]
    lines += ["", "[columns]"]
    lines += [f"{name} = {_strings(words)}" for name, words in profile.columns.items()]
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text.strip(), ensure_ascii=False)


def _strings(texts: Sequence[str]) -> str:
    return f"[{', '.join(_string(text) for text in texts)}]"
