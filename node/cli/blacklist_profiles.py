"""`blacklist profiles`: what each jurisdiction allows, and whom it asks to notify of what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say


def add_to(group: typer.Typer) -> None:
    """Put the command into a group."""
    group.command("profiles")(profiles)


def profiles(json_to: JsonTo = None) -> int:
    """Show every profile: its days, how long it keeps an entry, whom it asks to notify of what."""
    from node.screening.notices import profile_json
    from node.screening.profiles import profiles as delivered

    found = [profile_json(*item) for item in delivered().items()]
    emit({"profiles": found}, json_to, lambda: _show(found))
    return EXIT_DONE


def _show(found: list[dict[str, Any]]) -> None:
    for one in found:
        say(
            f"{one['name']}: notice {one['notice_days']} days before the effect, kept "
            f"{one['retention_days']} days at most"
        )
        say(
            f"  a dispute takes {one['dispute_days']} days, with the extension "
            f"{one['extension_days']} more: {one['answer_days']} to answer, "
            f"{one['contest_days']} to contest, {one['commit_days']} to vote and "
            f"{one['reveal_days']} to open the votes, twice; on time-out the entry is suspended"
        )
        say_notices(one["notify"])


def notices_json(policy: str) -> list[dict[str, str]]:
    """Return whom a profile asks to notify of what, as answers hold it."""
    from node.screening.notices import notices_of
    from node.screening.profiles import profile_of

    return [notice.to_json() for notice in notices_of(profile_of(policy))]


def say_notices(notices: Iterable[Mapping[str, str]]) -> None:
    """Say whom to notify of what, a line each."""
    for notice in notices:
        say(f"  to be notified: {notice['says']}")
