"""The pictures are well-formed, hold every name, and need nothing from elsewhere."""

import re
from xml.etree import ElementTree

import pytest

from ondol.benchmarks.axis import Axis
from ondol.benchmarks.plots import Point, Series, lines, scatter

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_scatter_names_points_groups_and_axes() -> None:
    points = [Point("fp32", 150, 1.0, "ondol"), Point("int8 <b>", 38, 0.999, "peer & co")]
    svg = scatter("Size", points, Axis("MB", log=True), Axis("cosine"))
    found = texts(svg)
    for name in ("Size", "fp32", "int8 <b>", "ondol", "peer & co", "MB", "cosine"):
        assert found.count(name) == 1
    # One mark in the legend and one in the plot for each group.
    root = ElementTree.fromstring(svg)
    assert len(root.findall(f"{SVG}circle")) == 2
    assert len(root.findall(f"{SVG}polygon")) == 2


def test_a_larger_x_is_further_right_and_a_larger_y_higher() -> None:
    svg = lines("t", [Series("a", ((1, 10), (2, 20)))], Axis("x"), Axis("y"))
    polyline = ElementTree.fromstring(svg).find(f"{SVG}polyline")
    assert polyline is not None
    (x1, y1), (x2, y2) = (
        tuple(map(float, p.split(","))) for p in polyline.attrib["points"].split()
    )
    assert x1 < x2
    assert y1 > y2


def test_nine_lines_are_told_apart() -> None:
    series = [Series(f"line {n}", ((1, n + 1), (2, 2 * n + 1))) for n in range(9)]
    root = ElementTree.fromstring(lines("t", series, Axis("x"), Axis("y", from_zero=True)))
    looks = [
        (line.attrib["stroke"], line.attrib.get("stroke-dasharray"))
        for line in root.iter(f"{SVG}polyline")
    ]
    assert len(set(looks)) == 9
    # The first and the ninth share a colour, so their marks have different shapes.
    marks = [e for e in root if e.attrib.get("fill") == looks[0][0]]
    assert {e.tag for e in marks} == {f"{SVG}circle", f"{SVG}polygon"}


def test_a_legend_of_many_names_takes_more_rows_and_stays_inside() -> None:
    names = [f"a rather long name of an engine {n}" for n in range(7)]
    root = ElementTree.fromstring(
        lines("t", [Series(name, ((1, 1),)) for name in names], Axis("x"), Axis("y"))
    )
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    places = [e for e in root.iter(f"{SVG}text") if e.text in names]
    assert len({e.attrib["y"] for e in places}) > 1
    assert all(float(e.attrib["x"]) + 6.5 * len(e.text or "") < width for e in places)
    assert all(float(e.attrib["y"]) < height for e in places)


def test_a_picture_stands_alone() -> None:
    svg = scatter("t", [Point("a", 1, 1, "g")], Axis("x"), Axis("y"))
    assert "prefers-color-scheme:dark" in svg
    assert re.findall(r"(?:href|src|url|@import)", svg) == []
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


def test_no_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="got no values"):
        scatter("t", [], Axis("x"), Axis("y"))
