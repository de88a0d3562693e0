"""No label on another, on a point, or outside."""

from hypothesis import given
from hypothesis import strategies as st

from ondol.benchmarks.labels import Box, _crosses, place_labels, text_width

INSIDE = Box(0, 0, 700, 340)
FONT, MARK = 13, 5


def test_overlap_of_boxes() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(5, 8, 20, 20)) == 5 * 2
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 20, 10)) == 0


def test_a_line_crosses_a_box_only_if_it_runs_through_it() -> None:
    box = Box(10, 10, 20, 20)
    assert _crosses((0, 0, 30, 30), box)
    assert _crosses((15, 0, 15, 12), box)
    assert not _crosses((0, 0, 9, 9), box)
    assert not _crosses((0, 15, 10, 15), box)  # ends at its edge
    assert not _crosses((0, 21, 30, 21), box)


def test_hangul_is_wider() -> None:
    assert text_width("한국", 10) == 20
    assert text_width("ab", 10) == 12


def test_a_lone_label_is_to_the_right_of_its_point() -> None:
    (placed,) = place_labels([(100, 100)], ["onnx-int8"], inside=INSIDE, mark=MARK, font=FONT)
    assert placed.leader is None
    assert placed.box.left >= 100 + MARK
    assert placed.box.top < 100 < placed.box.bottom


def test_a_label_at_the_right_edge_is_to_the_left() -> None:
    (placed,) = place_labels([(695, 100)], ["onnx-int8"], inside=INSIDE, mark=MARK, font=FONT)
    assert placed.box.right <= 695 - MARK


def test_labels_of_points_on_each_other_are_led_to_them() -> None:
    placed = place_labels(
        [(300, 150)] * 10, ["gguf-q8_0"] * 10, inside=INSIDE, mark=MARK, font=FONT
    )
    led = [place.leader for place in placed if place.leader is not None]
    assert led
    assert all(leader[:2] == (300, 150) for leader in led)


@given(
    st.lists(
        st.tuples(st.integers(100, 600), st.integers(60, 280)), min_size=2, max_size=9, unique=True
    )
)
def test_labels_do_not_touch_each_other(points: list[tuple[int, int]]) -> None:
    labels = [f"onnx-int{number}" for number in range(len(points))]
    placed = place_labels(points, labels, inside=INSIDE, mark=MARK, font=FONT)
    boxes = [place.box for place in placed]
    for index, box in enumerate(boxes):
        assert box.overlap(INSIDE) > box.width * box.height * 0.999
        assert all(box.overlap(other) == 0 for other in boxes[index + 1 :])
