"""Where the labels of points go, so that none lies on another label, on a point or outside."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Distances from the mark at which a label is tried, pixels.
_DISTANCES = (4, 14, 26, 40, 56, 74)

#: Sides: which way the label lies from its mark, to the right and down; the best to read first.
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))

#: What a pixel of overlap costs, in pixels of distance.
_OVERLAP_COST = 100.0


@dataclass(frozen=True)
class Box:
    """A rectangle, pixels from the picture's left and top."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def overlap(self, other: "Box") -> float:
        """The shared area, square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


def text_width(text: str, font: float) -> float:
    """About how wide a text is, pixels; rather too wide, as the reader's font is not known.

    font: its size, pixels.
    """
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return font * (wide + 0.6 * (len(text) - wide))


def place_labels(
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    *,
    inside: Box,
    mark: float,
    font: float,
) -> list[Box]:
    """A box for each label: the nearest place that is free, else the one with least overlap.

    Args:
        points: where the marks are, pixels.
        inside: what no label may leave.
        mark: half the width of a mark, pixels.
        font: size of the text, pixels.
    """
    taken = [Box(x - mark - 1, y - mark - 1, x + mark + 1, y + mark + 1) for x, y in points]
    placed: dict[int, Box] = {}
    # From the right, where there is room for labels to the right of their points.
    for index in sorted(range(len(points)), key=lambda i: -points[i][0]):
        candidates = _candidates(points[index], labels[index], mark, font)
        placed[index] = min(candidates, key=lambda c: _cost(c[0], c[1], taken, inside))[0]
        taken.append(placed[index])
    return [placed[index] for index in range(len(points))]


def _candidates(
    point: tuple[float, float], label: str, mark: float, font: float
) -> Iterator[tuple[Box, float]]:
    width, height = text_width(label, font), font + 4
    for distance in _DISTANCES:
        for number, (right, down) in enumerate(_SIDES):
            gap = mark + distance
            middle_x = point[0] + right * (gap + width / 2)
            middle_y = point[1] + down * (gap + height / 2)
            if right and down:  # a corner of the label towards the mark
                middle_x -= right * mark
                middle_y -= down * mark
            box = Box(
                middle_x - width / 2,
                middle_y - height / 2,
                middle_x + width / 2,
                middle_y + height / 2,
            )
            yield box, distance + 0.1 * number


def _cost(box: Box, distance: float, taken: Sequence[Box], inside: Box) -> float:
    outside = box.width * box.height - box.overlap(inside)
    return distance + _OVERLAP_COST * (outside + sum(box.overlap(other) for other in taken))
