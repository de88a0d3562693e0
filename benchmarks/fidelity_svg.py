"""The picture of fidelity against vocabulary size, as SVG, from the standard library alone."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

Points = Sequence[tuple[int, float]]

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 120, 56, 52
#: Readable on white and for readers who do not tell red from green (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00")
#: Marks of the axis: the distance to 100% is drawn on a logarithmic scale, because 99 and 99.9%
#: differ as much for a reader of results as 90 and 99%.
_MARKS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)


def fidelity_svg(lines: Mapping[str, Points], bars: Mapping[str, Points]) -> str:
    """One line per language through (rows, share) points; a tick for each bar to be cleared."""
    sizes = sorted({rows for points in lines.values() for rows, _ in points})
    first, last = sizes[0], sizes[-1]

    def x(rows: int) -> float:
        return _LEFT + (rows - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(share: float) -> float:
        low, high = -math.log10(1 - _MARKS[0]), -math.log10(1 - _MARKS[-1])
        height = (-math.log10(1 - share) - low) / (high - low)
        return _HEIGHT - _BOTTOM - height * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="13" role="img">',
        "<title>Held-out lines with unchanged segmentation, by vocabulary size</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 26, "Held-out lines with unchanged segmentation", size=16),
    ]
    for mark in _MARKS:
        height = y(mark)
        parts.append(_line(_LEFT, height, _WIDTH - _RIGHT, height, "#e0e0e0"))
        parts.append(_text(_LEFT - 8, height + 4, f"{mark:.1%}".replace(".0%", "%"), anchor="end"))
    base = _HEIGHT - _BOTTOM
    parts.append(_line(_LEFT, base, _WIDTH - _RIGHT, base, "#404040"))
    for rows in sizes:
        parts.append(_line(x(rows), base, x(rows), base + 5, "#404040"))
        parts.append(_text(x(rows), base + 20, f"{rows:,}", anchor="middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(middle, base + 40, "rows of the vocabulary (250,002 unpruned)", "middle"))
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        path = " ".join(f"{x(rows):.1f},{y(share):.1f}" for rows, share in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for rows, share in points:
            parts.append(
                f'<circle cx="{x(rows):.1f}" cy="{y(share):.1f}" r="3.5" fill="{colour}">'
                f"<title>{escape(name)}, {rows:,} rows: {share:.2%}</title></circle>"
            )
        rows, share = points[-1]
        parts.append(_text(x(rows) + 10, y(share) + 4, f"{name} {share:.2%}", colour=colour))
        for rows, share in bars[name]:
            parts.append(
                f'<line x1="{x(rows) - 12:.1f}" y1="{y(share):.1f}" x2="{x(rows) + 12:.1f}" '
                f'y2="{y(share):.1f}" stroke="{colour}" stroke-width="3" stroke-opacity="0.5">'
                f"<title>{escape(name)} must reach {share:.1%} at {rows:,} rows</title></line>"
            )
    parts.append(_text(_WIDTH - _RIGHT, 44, "short bars: what had to be reached", "end"))
    return "\n".join(parts) + "\n</svg>\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, content: str, anchor: str = "start", size: int = 13, colour: str = "#202020"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(content)}</text>'
    )
