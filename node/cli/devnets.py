"""Commands that start the embedded network: `demo`, `desk`. They parse their own options."""

from __future__ import annotations

from typing import Any, Final

import typer

PASS_THROUGH: Final[dict[str, Any]] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    app.command("demo", context_settings=PASS_THROUGH, add_help_option=False)(demo)
    app.command("desk", context_settings=PASS_THROUGH, add_help_option=False)(desk)


def demo(context: typer.Context) -> int:
    """Two business days end to end on an embedded chain; own files with --servicer, --owner."""
    from devnet.demo import main

    return int(main(list(context.args)) or 0)


def desk(context: typer.Context) -> int:
    """Serve the demo's nodes and desk again."""
    from devnet.desk import main

    return int(main(list(context.args)) or 0)
