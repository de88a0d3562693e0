"""Where the labels of points go, so that none lies on another label, on a point or outside."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Distances from the mark at which a label is tried, pixels.
_DISTANCES = (4, 14, 26, 40, 56, 74)

#: Sides: which way the label lies from its mark, to the right and down; the best to read first.
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))

#: What a pixel of overlap costs, and a line that crosses a label, in pixels of distance.
_OVERLAP_COST = 100.0
_CROSSING_COST = 200.0

#: How often every label is placed again.
_SWEEPS = 4

#: x and y of the mark, x and y of the label's nearest edge; pixels.
Leader = tuple[float, float, float, float]


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


@dataclass(frozen=True)
class Placed:
    """Where a label is, and the line to its mark if it is not beside it."""

    box: Box
    leader: Leader | None


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
) -> list[Placed]:
    """A place for each label: the nearest that is free, else the one with least overlap.

    Every label is placed in turn, some times over, so that early ones make way for later ones.

    Args:
        points: where the marks are, pixels.
        inside: what no label may leave.
        mark: half the width of a mark, pixels.
        font: size of the text, pixels.
    """
    marks = [Box(x - mark - 1, y - mark - 1, x + mark + 1, y + mark + 1) for x, y in points]
    placed: dict[int, Placed] = {}
    # From the right, where there is room for labels to the right of their points.
    order = sorted(range(len(points)), key=lambda index: -points[index][0])
    for _ in range(_SWEEPS):
        for index in order:
            others = [found for other, found in placed.items() if other != index]
            candidates = _candidates(points[index], labels[index], mark, font)
            placed[index] = min(
                candidates, key=lambda pair: pair[1] + _penalty(pair[0], marks, others, inside)
            )[0]
    return [placed[index] for index in range(len(points))]


def _candidates(
    point: tuple[float, float], label: str, mark: float, font: float
) -> Iterator[tuple[Placed, float]]:
    """Places with what their distance costs."""
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
            near_x = min(max(point[0], box.left), box.right)
            near_y = min(max(point[1], box.top), box.bottom)
            leader = (*point, near_x, near_y) if distance > _DISTANCES[0] else None
            yield Placed(box, leader), distance + 0.1 * number


def _penalty(place: Placed, marks: Sequence[Box], others: Sequence[Placed], inside: Box) -> float:
    box = place.box
    area = box.width * box.height - box.overlap(inside) + sum(box.overlap(m) for m in marks)
    area += sum(box.overlap(other.box) for other in others)
    crossings = sum(
        _crosses(place.leader, other.box) + _crosses(other.leader, box) for other in others
    )
    return _OVERLAP_COST * area + _CROSSING_COST * crossings


def _crosses(leader: Leader | None, box: Box) -> bool:
    """Whether a line runs through a box: what is left of it between the box's sides (Liang and
    Barsky, 1984).
    """
    if leader is None:
        return False
    x1, y1, x2, y2 = leader
    enters, leaves = 0.0, 1.0
    for start, step, low, high in (
        (x1, x2 - x1, box.left, box.right),
        (y1, y2 - y1, box.top, box.bottom),
    ):
        if step == 0:
            if not low < start < high:
                return False
            continue
        near, far = sorted(((low - start) / step, (high - start) / step))
        enters, leaves = max(enters, near), min(leaves, far)
    return enters < leaves
