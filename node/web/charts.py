"""Small charts as SVG, drawn by the server, labelled directly; a table stands behind each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from node.web.i18n import Speaker

WIDTH: Final = 640
HEIGHT: Final = 150
LEFT: Final = 6
RIGHT: Final = 96
TOP: Final = 10
BOTTOM: Final = 22
LABEL_GAP: Final = 13


def two_lines(
    points: Sequence[tuple[int, int, int]],
    labels: tuple[str, str],
    title: str,
    speaker: Speaker,
) -> Markup:
    """Return two cumulative lines over time: (second, first, second line) ascending.

    The lines are told apart by stroke as well as colour, and named at their ends.
    """
    if not points:
        return Markup("")
    begin, end = points[0][0], points[-1][0]
    top = max(max(first, second) for _, first, second in points) or 1
    span = max(end - begin, 1)

    def x(at: int) -> float:
        return LEFT + (at - begin) / span * (WIDTH - LEFT - RIGHT)

    def y(value: int) -> float:
        return TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)

    paths = []
    for index in (1, 2):
        steps = [f"{x(p[0]):.1f},{y(p[index]):.1f}" for p in points]
        # A single point is drawn as a level line, so that it can be seen at all.
        steps += [f"{WIDTH - RIGHT:.1f},{y(points[-1][index]):.1f}"] if span == 1 else []
        paths.append(" ".join(steps))
    ends = [y(points[-1][1]), y(points[-1][2])]
    if abs(ends[0] - ends[1]) < LABEL_GAP:
        middle = sum(ends) / 2
        ends = [middle - LABEL_GAP / 2, middle + LABEL_GAP / 2]
        if points[-1][1] < points[-1][2]:
            ends.reverse()
    low, high = sorted(ends)
    shift = max(0.0, TOP - low) - max(0.0, high - (HEIGHT - BOTTOM))
    ends = [end + shift for end in ends]
    base = HEIGHT - BOTTOM
    values = (speaker.count(points[-1][1]), speaker.count(points[-1][2]))
    return Markup(
        '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{title}">'
        '<line class="axis" x1="{left}" y1="{base}" x2="{right}" y2="{base}"/>'
        '<polyline class="a" points="{a}"/><polyline class="b" points="{b}"/>'
        '<text class="a-text" x="{tx}" y="{ya:.1f}">{la} {va}</text>'
        '<text class="b-text" x="{tx}" y="{yb:.1f}">{lb} {vb}</text>'
        '<text x="{left}" y="{under}">{from_}</text>'
        '<text x="{right}" y="{under}" text-anchor="end">{to}</text></svg>',
    ).format(
        w=WIDTH,
        h=HEIGHT,
        title=escape(title),
        left=LEFT,
        right=WIDTH - RIGHT,
        base=base,
        a=paths[0],
        b=paths[1],
        tx=WIDTH - RIGHT + 6,
        ya=ends[0] + 4,
        yb=ends[1] + 4,
        la=labels[0],
        lb=labels[1],
        va=values[0],
        vb=values[1],
        under=HEIGHT - 6,
        from_=speaker.clock(begin * 1_000),
        to=speaker.clock(end * 1_000),
    )
