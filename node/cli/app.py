"""The tree of commands; each module registers its own."""

from __future__ import annotations

from typing import Final

import typer

from node.cli import (
    agreements,
    blacklist,
    bookings,
    breaks,
    chains,
    committee,
    decisions,
    devnets,
    homes,
    joining,
    logins,
    members,
    offline,
    outbox,
    papers,
    peers,
    persons,
    posting,
    profiles,
    results,
)

HELP: Final = (
    "Kanhe 勘合: two institutions, one result.\n\n"
    "Exit codes: 0 done; 1 done and the answer is no (a window not agreed, a proof that fails); "
    "2 wrong usage or bad input; 3 the outside world (chain, database, disk)."
)

app: Final = typer.Typer(
    name="kanhe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
)
for module in (
    offline,
    profiles,
    homes,
    logins,
    members,
    joining,
    agreements,
    posting,
    outbox,
    results,
    breaks,
    chains,
    committee,
    decisions,
    bookings,
    papers,
    peers,
    blacklist,
    persons,
    devnets,
):
    module.register(app)
