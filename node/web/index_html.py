"""Several windows on one page that opens from disk: the demo's table, each row a link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from node.web.i18n import Speaker
from node.web.pages import make_environment
from node.web.style import style


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One agreement × window; texts are ready to show, `href` is relative to the page."""

    label: str
    day: str
    entries: tuple[int, int]
    groups: int
    breaks: tuple[tuple[str, int], ...]
    proof: str
    latency: str
    digest: str
    state: str
    good: bool
    href: str


def index_html(rows: Sequence[IndexRow], *, title: str, locale: str = "en") -> str:
    """Return the page as one self-contained HTML file."""
    speaker = Speaker(locale)
    return (
        make_environment()
        .get_template("index.html")
        .render(
            s=speaker,
            locale=locale,
            _=speaker.gettext,
            gettext=speaker.gettext,
            ngettext=speaker.ngettext,
            style=Markup(style()),  # noqa: S704 - our own file
            rows=rows,
            title=title,
        )
    )
