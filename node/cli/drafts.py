"""What one person drafts and another settles: options, tables and the refusal they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.session import Home, login_of, node_of
from node.cli.words import refs

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.services.breaks import DecisionView
    from node.services.posting import DiscardView

    Draft = DecisionView | DiscardView

Number = Annotated[int, typer.Argument(help="The draft's number.")]
Person = Annotated[
    str | None,
    typer.Option("--as", help="A login of this node (`kanhe login`); else this user's name."),
]
Single = Annotated[bool, typer.Option("--single", help="A one-person enterprise approves its own.")]
Why = Annotated[str, typer.Option(help="Why, in words.")]
SETTLING: Final = ("state", "maker", "checker", "reason")


def settling(row: Draft) -> tuple[str, str, str, str]:
    """Return the cells under SETTLING."""
    return (row.state, row.maker, row.checker or "–", row.reason)


def show_decisions(title: str, rows: Sequence[DecisionView]) -> None:
    """Print decisions with who made and who settled them."""
    table(
        title,
        (">no", "verdict", "servicer", "owner", *SETTLING),
        [
            (row.decision_id, row.verdict, refs(row.servicer), refs(row.owner), *settling(row))
            for row in rows
        ],
    )


def reject_command(
    noun: str,
    says: str,
    find: Callable[[Node, int], Draft],
    act: Callable[[Node, int, str, str], Draft],
) -> Callable[..., int]:
    """Return the command that refuses a draft; `act` takes node, number, reason and person."""

    def reject(
        number: Number,
        reason: Why,
        person: Person = None,
        home: Home = None,
        json_to: JsonTo = None,
    ) -> int:
        with node_of(home) as node:
            who = login_of(node, person, "check", find(node, number).agreement)
            view = act(node, number, reason, who)
        emit(view.to_json(), json_to, lambda: say(f"{noun} {number} rejected"))
        return EXIT_DONE

    reject.__doc__ = says
    return reject
