"""Commands on suggested bookings (补记凭证): `booking list | export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.papers import Language, speaker_of_words, view_of
from node.cli.session import (
    AgreementOption,
    DayOption,
    Home,
    SideOption,
    WindowOption,
    node_of,
    side_of,
    window_of_words,
)
from node.cli.words import money

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.web.bookings import Voucher

Accounts = Annotated[
    Path | None,
    typer.Option("--accounts", help="Accounts by kind (JSON); else KANHE_BOOKING_ACCOUNTS."),
]
BookingDate = Annotated[
    str | None, typer.Option("--date", help="Booked on, e.g. 2026-11-23; else the next work day.")
]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    booking = typer.Typer(no_args_is_help=True, help="Suggested bookings (补记凭证) for the ERP.")
    booking.command("list")(booking_list)
    booking.command("export")(booking_export)
    app.add_typer(booking, name="booking")


def booking_list(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    side: SideOption = None,
    accounts: Accounts = None,
    date: BookingDate = None,
    language: Language = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List the vouchers that would settle what a window leaves open; ours, unless --side."""
    chosen = window_of_words(window, day)
    with node_of(home) as node:
        found = _vouchers(node, agreement, chosen, side, accounts, date, language)
    answer = {
        "bookings": [
            {
                **item.booking.to_json(),
                "suggestion": item.number,
                "debit_account": item.debit,
                "credit_account": item.credit,
                "summary": item.summary,
            }
            for item in found
        ]
    }
    emit(answer, json_to, lambda: _show(found))
    return EXIT_DONE


def _vouchers(
    node: Node,
    agreement: str,
    window: int,
    side: str | None,
    accounts: Path | None,
    date: str | None,
    language: str | None,
) -> tuple[Voucher, ...]:
    from node.web.bookings import load_vouchers

    view = view_of(node, agreement)
    return load_vouchers(
        node,
        view,
        window,
        speaker_of_words(node, language),
        accounts=accounts or node.settings.booking_accounts,
        booking_date=_day(date),
        side=side_of(side) or view.ours,
    )


def _day(text: str | None) -> str | None:
    import datetime as dt

    from reconcile.model import UsageError

    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(
            "DAY_MALFORMED", f"{text!r} is no day", help="write it as 2026-11-20"
        ) from None


def _show(found: tuple[Voucher, ...]) -> None:
    table(
        "Suggested bookings",
        ("side", "kind", "direction", ">amount", "debit", "credit", "summary", "needs"),
        [
            (
                item.booking.side.word,
                item.booking.kind,
                item.booking.direction,
                f"{money(item.booking.amount_minor, item.booking.digits)} {item.booking.currency}",
                item.debit,
                item.credit,
                item.summary,
                item.needs,
            )
            for item in found
        ],
    )


def booking_export(
    agreement: AgreementOption,
    out: Annotated[Path, typer.Argument(help="The CSV to write.")],
    window: WindowOption = None,
    day: DayOption = None,
    side: SideOption = None,
    accounts: Accounts = None,
    date: BookingDate = None,
    language: Language = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Write the suggested vouchers as CSV for the ERP; ours, unless --side."""
    from node.web.bookings import bookings_csv

    chosen = window_of_words(window, day)
    with node_of(home) as node:
        found = _vouchers(node, agreement, chosen, side, accounts, date, language)
    out.write_bytes(bookings_csv(found))
    answer = {"out": str(out), "rows": str(len(found))}
    emit(answer, json_to, lambda: say(f"{len(found):,} suggested bookings in {out}"))
    return EXIT_DONE
