"""余额调节表 as one HTML file: no script, no other file, and a print sheet for A4."""

from __future__ import annotations

from markupsafe import Markup

from node.web.adjustment.paper import Paper
from node.web.pages import make_environment
from node.web.style import style


def adjustment_html(paper: Paper) -> str:
    """Return the paper as one self-contained HTML file."""
    speaker = paper.speaker
    return (
        make_environment()
        .get_template("adjustment.html")
        .render(
            s=speaker,
            locale=speaker.locale,
            _=speaker.gettext,
            gettext=speaker.gettext,
            ngettext=speaker.ngettext,
            style=Markup(style()),  # noqa: S704 - our own file
            paper=paper,
        )
    )
