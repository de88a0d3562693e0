"""Plots as SVG, from the standard library alone: named points, and lines through points.

A picture carries its style with it, so it can stand in a page or in a file of its own, and follows
the reader's light or dark setting. Series differ in colour and in the shape of their marks, for
readers who do not tell the colours apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from ondol.benchmarks.axis import Axis, Scale
from ondol.benchmarks.labels import Box, place_labels, text_width

_WIDTH, _PLOT_HEIGHT = 760, 340
_MARGIN, _TITLE_HEIGHT, _LEGEND_HEIGHT, _BOTTOM = 20, 40, 22, 58
_FONT = 13
_MARK = 5
_COLOURS = 8

#: Readable on their background; after Okabe and Ito, whose colours most readers tell apart.
_STYLE = """<style>
.ondol-plot{font-family:system-ui,sans-serif;font-size:13px;
--back:#fff;--ink:#1c1e21;--faint:#e2e4e8;--quiet:#5f6670;--c0:#0072b2;--c1:#d55e00;--c2:#00805d;
--c3:#b0407f;--c4:#7a5c00;--c5:#6a4fbf;--c6:#555b63;--c7:#a02c2c}
@media (prefers-color-scheme:dark){.ondol-plot{--back:#16181c;--ink:#e8eaed;--faint:#33373d;
--quiet:#a0a6b0;--c0:#56b4e9;--c1:#ff9d4d;--c2:#2fd3a4;--c3:#f08bc4;--c4:#f0d040;--c5:#b9a2ff;
--c6:#bbc0c8;--c7:#ff8080}}
.ondol-plot text{fill:var(--ink)}
.ondol-plot .grid{stroke:var(--faint)}
.ondol-plot .base{stroke:var(--quiet);fill:none}
.ondol-plot .curve{fill:none;stroke-width:2}
</style>"""


@dataclass(frozen=True)
class Point:
    """One mark of a scatter plot.

    Attributes:
        label: written beside it.
        group: points of a group share colour and shape; groups stand in the legend.
    """

    label: str
    x: float
    y: float
    group: str


@dataclass(frozen=True)
class Series:
    """A line through (x, y) points, by its name in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]


def scatter(title: str, points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Points with their labels beside them, none on another. Returns an SVG document.

    Raises ValueError if there are no points, or one that an axis cannot show.
    """
    groups = list(dict.fromkeys(point.group for point in points))
    frame = _Frame(title, groups, x, y, [p.x for p in points], [p.y for p in points])
    places = [(frame.x(point.x), frame.y(point.y)) for point in points]
    placed = place_labels(
        places, [point.label for point in points], inside=frame.inside, mark=_MARK, font=_FONT
    )
    parts = [_line("base", *place.leader) for place in placed if place.leader is not None]
    for point, (left, top), place in zip(points, places, placed, strict=True):
        shown = f"{point.label}: {x.title} {point.x:,.6g}, {y.title} {point.y:,.6g}"
        parts.append(_mark(left, top, groups.index(point.group), shown))
        parts.append(_text(place.box.left, place.box.bottom - 4, point.label))
    return frame.document(parts)


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis) -> str:
    """A line for each series, with a mark at each of its points. Returns an SVG document.

    Raises ValueError if there are no points, or one that an axis cannot show.
    """
    every = [point for line in series for point in line.points]
    names = [line.name for line in series]
    frame = _Frame(title, names, x, y, [p[0] for p in every], [p[1] for p in every])
    parts = []
    for number, line in enumerate(series):
        places = [(frame.x(point[0]), frame.y(point[1])) for point in line.points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(
            f'<polyline class="curve" stroke="{_colour(number)}"{_dashes(number)} points="{path}"/>'
        )
        for (left, top), point in zip(places, line.points, strict=True):
            shown = f"{line.name}: {x.title} {point[0]:,.6g}, {y.title} {point[1]:,.6g}"
            parts.append(_mark(left, top, number, shown))
    return frame.document(parts)


class _Frame:
    """Title, legend, axes and grid; turns values into pixels."""

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        x: Axis,
        y: Axis,
        x_values: Sequence[float],
        y_values: Sequence[float],
    ) -> None:
        self._title = title
        self._axes = (x, y)
        self._scales = (Scale(x, x_values), Scale(y, y_values))
        self._legend, rows = _legend(names)
        labels = [self._scales[1].label(mark) for mark in self._scales[1].marks]
        left = 2 * _MARGIN + 12 + max((text_width(label, _FONT) for label in labels), default=0)
        top = _TITLE_HEIGHT + rows * _LEGEND_HEIGHT + 6
        self.inside = Box(left, top, _WIDTH - _MARGIN, top + _PLOT_HEIGHT)
        self._height = top + _PLOT_HEIGHT + _BOTTOM

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return self.inside.left + self._scales[0].share(value) * self.inside.width

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return self.inside.bottom - self._scales[1].share(value) * self.inside.height

    def document(self, content: Sequence[str]) -> str:
        """The whole picture, with `content` on its grid."""
        name = escape(self._title)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="ondol-plot" role="img" '
                f'viewBox="0 0 {_WIDTH} {self._height}" width="{_WIDTH}" height="{self._height}">',
                f"<title>{name}</title>",
                _STYLE,
                f'<rect width="{_WIDTH}" height="{self._height}" fill="var(--back)"/>',
                f'<text x="{_MARGIN}" y="27" font-size="16" font-weight="600">{name}</text>',
                *self._legend,
                *self._grid(),
                *content,
                "</svg>\n",
            ]
        )

    def _grid(self) -> list[str]:
        box, parts = self.inside, []
        for mark in self._scales[1].marks:
            top, label = self.y(mark), self._scales[1].label(mark)
            parts.append(_line("grid", box.left, top, box.right, top))
            parts.append(_text(box.left - 8, top + 4, label, "end"))
        free_from = float("-inf")
        for mark in self._scales[0].marks:
            left, label = self.x(mark), self._scales[0].label(mark)
            parts.append(_line("grid", left, box.top, left, box.bottom))
            half = text_width(label, _FONT) / 2
            if left - half >= free_from:
                parts.append(_text(left, box.bottom + 19, label, "middle"))
                free_from = left + half + 6
        parts.append(_line("base", box.left, box.bottom, box.right, box.bottom))
        parts.append(_line("base", box.left, box.top, box.left, box.bottom))
        parts.append(
            _text((box.left + box.right) / 2, box.bottom + 43, self._axes[0].title, "middle")
        )
        middle = (box.top + box.bottom) / 2
        parts.append(
            f'<text transform="translate({_MARGIN + 2} {middle:.1f}) rotate(-90)" '
            f'text-anchor="middle">{escape(self._axes[1].title)}</text>'
        )
        return parts


def _legend(names: Sequence[str]) -> tuple[list[str], int]:
    """The names with their marks, in as many rows as they need."""
    parts, left, row = [], float(_MARGIN), 0
    for number, name in enumerate(names):
        width = 22 + text_width(name, _FONT)
        if left > _MARGIN and left + width > _WIDTH - _MARGIN:
            left, row = float(_MARGIN), row + 1
        top = _TITLE_HEIGHT + row * _LEGEND_HEIGHT + 8
        parts.append(_mark(left + 6, top, number, name))
        parts.append(_text(left + 18, top + 4.5, name))
        left += width + 16
    return parts, row + 1


def _colour(number: int) -> str:
    return f"var(--c{number % _COLOURS})"


def _dashes(number: int) -> str:
    """None for the first lines; the ones that repeat a colour are dashed."""
    return ' stroke-dasharray="6 4"' if number // _COLOURS % 2 else ""


def _mark(left: float, top: float, number: int, shown: str) -> str:
    """A circle, square, triangle or diamond; `shown` appears under the pointer."""
    corners = {
        1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        2: ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
        3: ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    }.get((number + number // _COLOURS) % 4)  # where a colour comes again, another shape
    end = f'fill="{_colour(number)}"><title>{escape(shown)}</title>'
    if corners is None:
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{_MARK}" {end}</circle>'
    path = " ".join(f"{left + _MARK * dx:.1f},{top + _MARK * dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{path}" {end}</polygon>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(left: float, top: float, content: str, anchor: str = "start") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
