"""CSV, TSV and XLSX: the profile that was named, else the one that is recognised.

Order: --profile, the generic header, a shipped profile's header, a proposed column map.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconcile.model import InputError, Where
from reconcile.statements import column_map
from reconcile.statements.drafts import FileDraft
from reconcile.statements.encoding import decode
from reconcile.statements.fixed import fixed_profile, read_fixed
from reconcile.statements.generic import Wanted, header_of, read_generic
from reconcile.statements.profile_rows import read_profile
from reconcile.statements.profiles import GENERIC, Profile, profile_named, recognise
from reconcile.statements.tables import Table, read_table


def read_delimited(
    data: bytes,
    draft: FileDraft,
    wanted: Wanted,
    profile: str | None,
    *,
    accept_map: bool,
    own: Sequence[Profile] = (),
) -> None:
    """Read a table into the file draft and note the profile that was used.

    `own`: the user's profiles, tried before the shipped ones.
    """
    named = None if profile in {None, GENERIC} else profile_named(str(profile), own)
    if draft.format == "fixed" or (named is not None and named.fixed is not None):
        _read_fixed(data, draft, wanted, named, own)
        return
    table = read_table(data, draft.name, draft.findings)
    draft.format = table.format
    if named is None and header_of(table.rows) is not None:
        draft.profile = GENERIC
        read_generic(table, wanted, draft)
        return
    if profile == GENERIC:
        raise InputError(
            "HEADER_INVALID",
            "the table does not begin with the generic header",
            where=Where(draft.name, 1),
            help="it needs booking_date, amount and direction (or debit and credit), currency",
        )
    found = named or recognise(table.rows, own)
    if found is None:
        found = _mapped(table, draft, wanted, accept_map=accept_map)
    draft.profile = found.name
    read_profile(table, found, wanted, draft)


def _read_fixed(
    data: bytes, draft: FileDraft, wanted: Wanted, named: Profile | None, own: Sequence[Profile]
) -> None:
    text = decode(data, draft.findings)
    found = named or fixed_profile(text, own)
    if found is None or found.fixed is None:
        raise InputError(
            "PROFILE_MISMATCH",
            "the file has lines of fixed width, and the profile is for tables",
            where=Where(draft.name, 1),
            help="choose a profile with a [fixed] layout, or leave --profile away",
        )
    draft.format, draft.profile = "fixed", found.name
    read_fixed(text, data, found, wanted, draft)


def _mapped(table: Table, draft: FileDraft, wanted: Wanted, *, accept_map: bool) -> Profile:
    proposed = column_map.propose(table, wanted, draft.name)
    if not accept_map:
        raise column_map.unconfirmed(table, proposed, wanted, draft.name)
    return proposed
