"""No label on another, on a point, or outside."""

from hypothesis import given
from hypothesis import strategies as st

from ondol.benchmarks.labels import Box, place_labels, text_width

INSIDE = Box(0, 0, 700, 340)
FONT, MARK = 13, 5


def test_overlap_of_boxes() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(5, 8, 20, 20)) == 5 * 2
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 20, 10)) == 0


def test_hangul_is_wider() -> None:
    assert text_width("한국", 10) == 20
    assert text_width("ab", 10) == 12


def test_a_lone_label_is_to_the_right_of_its_point() -> None:
    (box,) = place_labels([(100, 100)], ["onnx-int8"], inside=INSIDE, mark=MARK, font=FONT)
    assert box.left >= 100 + MARK
    assert box.top < 100 < box.bottom


def test_a_label_at_the_right_edge_is_to_the_left() -> None:
    (box,) = place_labels([(695, 100)], ["onnx-int8"], inside=INSIDE, mark=MARK, font=FONT)
    assert box.right <= 695 - MARK


@given(
    st.lists(
        st.tuples(st.integers(100, 600), st.integers(60, 280)), min_size=2, max_size=9, unique=True
    )
)
def test_labels_do_not_touch_each_other(points: list[tuple[int, int]]) -> None:
    labels = [f"onnx-int{number}" for number in range(len(points))]
    boxes = place_labels(points, labels, inside=INSIDE, mark=MARK, font=FONT)
    for index, box in enumerate(boxes):
        assert box.overlap(INSIDE) > box.width * box.height * 0.999
        assert all(box.overlap(other) == 0 for other in boxes[index + 1 :])
