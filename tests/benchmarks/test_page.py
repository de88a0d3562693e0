"""The page opens offline and holds the tables, the plots, the machine and the command."""

from html.parser import HTMLParser

from ondol.benchmarks.page import report_page
from ondol.benchmarks.report_plots import report_plots
from ondol.benchmarks.results import BenchReport


class Elements(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_and_refers_to_nothing_outside(report: BenchReport) -> None:
    page = Elements(report_page(report))
    assert page.tags.count("svg") == 3
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    for text in ("ondol bench 'my bundle'", "AMD EPYC", "4,825", "needs <llama-cpp-python>"):
        assert any(text in piece for piece in page.text), text


def test_only_what_was_measured_is_drawn(report: BenchReport) -> None:
    plots = report_plots(report)
    assert list(plots) == ["size-quality.svg", "latency-length.svg", "throughput-threads.svg"]
    assert "onnx-fp32" in plots["size-quality.svg"]
    assert "onnx-fp32" not in plots["throughput-threads.svg"]
    assert all("gguf-q8_0" not in svg for svg in plots.values())
