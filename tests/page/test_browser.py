"""The page in Chromium, as a person with a keyboard uses it; no name can be resolved meanwhile."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from page_screenshot import served
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
from starlette.applications import Starlette

from ondol.page.finding import OpenIndex
from ondol.page.measuring import Measuring
from ondol.search import Hit, Index
from ondol.serve.run_server import bind

#: The contrast that WCAG 2 asks of text at level AA.
READABLE = 4.5

MakeApp = Callable[..., Starlette]
Show = Callable[..., Page]


class Server:
    """An application on a port of this machine."""

    def __init__(self, app: Starlette, port: int = 0) -> None:
        self._app = app
        self._socket = bind("127.0.0.1", port)
        self._socket.listen()
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        # As with the network cable out: only this machine can be found.
        offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        opened = playwright.chromium.launch(executable_path=chromium, args=[offline])
        yield opened
        opened.close()


@pytest.fixture
def serve(make_app: MakeApp) -> Iterator[Callable[..., str]]:
    """Serve the page and return its address; keyword arguments go to page_routes."""
    servers = []

    def start(*, port: int = 0, **options: Any) -> str:
        servers.append(Server(make_app(**options), port))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Open the page of a server. Keyword arguments are those of the browser's context. At the end
    nothing must have gone wrong in it, nor been asked of anything but the server.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(origin: str, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**({"locale": "en-US"} | options))
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))

        def check(request: Request) -> None:
            if not request.url.startswith((origin, "data:,")):
                complaints.append(f"asked for {request.url}")

        page.on("request", check)
        page.goto(origin + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # The browser itself notes requests that failed, which some tests mean to happen.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []


def stop_the_clock(page: Page) -> None:
    """From here on time passes only as `page.clock.run_for` says, in milliseconds."""
    page.clock.install(time=0)
    page.reload()
    expect(page.locator("#query")).to_be_focused()
    page.clock.pause_at(60_000)


def searched(page: Page) -> list[str]:
    """What the page will have searched for, kept up to date."""
    texts: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/ui/search"):
            texts.append(text_of(request))

    page.on("request", note)
    return texts


def text_of(request: Request) -> str:
    """What a search is for."""
    return str(json.loads(request.post_data or "{}")["text"])


def test_search_as_you_type(serve: Callable[..., str], show: Show, index: OpenIndex) -> None:
    page = show(serve(opened=index))
    expect(page.locator("#query")).to_be_focused()
    expect(page.locator("#holds")).to_have_text("documents: 3 passages of 3 files")
    stop_the_clock(page)
    texts = searched(page)
    for key in "여행지":
        page.keyboard.type(key)
        page.clock.run_for(100)
    assert texts == []
    page.clock.run_for(20)
    first = page.locator("#hits > li").first
    expect(first.locator(".file")).to_have_text("여행.md")
    expect(first.locator(".where")).to_have_text("lines 1–3")
    expect(first.locator(".headings")).to_have_text("국내 여행")
    expect(first.locator("mark").last).to_have_text("여행지")
    expect(first.locator(".numbers")).to_contain_text("words #1")
    expect(page.locator("#found")).to_contain_text("3 passages in")
    assert texts == ["여행지"]


def test_keys_lead_through_the_passages(
    serve: Callable[..., str], show: Show, index: OpenIndex
) -> None:
    opened: list[Path] = []
    page = show(
        serve(opened=index, opener=opened.append),
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.keyboard.type("여행지")
    hits = page.locator("#hits > li")
    expect(hits).to_have_count(3)
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    expect(hits.nth(0).locator(".whole")).to_have_text(re.compile("# 국내 여행"))
    page.keyboard.press("c")
    expect(hits.nth(0).locator(".copy")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith("/documents/여행.md")
    page.keyboard.press("o")
    expect(hits.nth(0).locator(".open")).to_have_text("Opened")
    assert opened == [Path(copied)]
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(hits.nth(2)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_have_value("")
    expect(hits).to_have_count(0)
    expect(page.locator("#no-query")).to_be_visible()


def test_a_syllable_that_is_being_composed_is_not_searched_for(
    serve: Callable[..., str], show: Show, index: OpenIndex
) -> None:
    page = show(serve(opened=index))
    stop_the_clock(page)
    texts = searched(page)
    keyboard = page.context.new_cdp_session(page)
    for text in ("ㅇ", "여", "옇", "여"):  # ㅎ goes over to the next syllable
        compose(keyboard, text)
        page.clock.run_for(390)
    keyboard.send("Input.insertText", {"text": "여"})
    for text in ("ㅎ", "해", "행"):
        compose(keyboard, text)
        page.clock.run_for(390)
    assert texts == []
    page.clock.run_for(10)
    expect(page.locator("#hits > li").first).to_be_visible()
    assert texts == ["여행"]
    # A lone consonant is no word's end yet.
    keyboard.send("Input.insertText", {"text": "행"})
    compose(keyboard, "ㅈ")
    page.clock.run_for(1000)
    with page.expect_response("**/ui/search"):
        compose(keyboard, "지")
        page.clock.run_for(1000)
    with page.expect_response("**/ui/search"):
        keyboard.send("Input.insertText", {"text": "지는"})
        page.clock.run_for(1000)
    assert texts == ["여행", "여행지", "여행지는"]


def compose(keyboard: Any, text: str) -> None:
    """What an input method shows before it is sure."""
    end = len(text)
    keyboard.send(
        "Input.imeSetComposition", {"text": text, "selectionStart": end, "selectionEnd": end}
    )


def test_of_searches_that_overlap_only_the_last_is_shown(
    serve: Callable[..., str],
    show: Show,
    index: OpenIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    search = Index.search

    def slow_search(self: Index, text: str, limit: int) -> list[Hit]:
        go_on.wait(10)
        return search(self, text, limit)

    monkeypatch.setattr(Index, "search", slow_search)
    page = show(serve(opened=index))
    aborted: list[str] = []
    page.on("requestfailed", lambda request: aborted.append(text_of(request)))
    for text in ("one", "one two", "one two 여행지"):
        with page.expect_request("**/ui/search"):
            page.locator("#query").fill(text)
    go_on.set()
    expect(page.locator("#hits > li")).to_have_count(3)
    assert aborted == ["one", "one two"]


def test_a_narrow_window_with_hostile_texts_and_names(
    serve: Callable[..., str], show: Show, index: OpenIndex
) -> None:
    page = show(serve(opened=index), viewport={"width": 360, "height": 740})
    page.keyboard.type("market news")
    first = page.locator("#hits > li").first
    expect(first.locator(".file")).to_have_text(re.compile(r"^a <b>bold name & .*x{120}\.txt$"))
    expect(first.locator(".snippet")).to_contain_text("<img src=x onerror=")
    assert page.locator("#hits img").count() == 0
    assert page.title() == "ondol"
    # The long name wraps: nothing has to be scrolled sideways in a narrow window.
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_without_an_index_the_page_says_how_to_make_one(
    serve: Callable[..., str], show: Show
) -> None:
    page = show(serve())
    expect(page.locator("#no-index")).to_contain_text("ondol app FOLDER")
    expect(page.locator("#no-query")).to_be_hidden()


def test_an_error_of_the_index_is_shown(
    serve: Callable[..., str], show: Show, index: OpenIndex
) -> None:
    page = show(serve(opened=index))
    expect(page.locator("#holds")).not_to_be_empty()
    index.path.write_bytes(b"damaged" * 10_000)
    page.keyboard.type("여행지")
    expect(page.locator("#search-problem")).to_contain_text("remove it and index again")


def test_the_page_goes_on_when_the_server_is_back(
    serve: Callable[..., str], make_app: MakeApp, show: Show, index: OpenIndex
) -> None:
    server = Server(make_app(opened=index))
    page = show(server.url)
    expect(page.locator("#holds")).not_to_be_empty()
    server.stop()
    page.keyboard.type("여행지")
    expect(page.locator("#gone")).to_contain_text("does not answer")
    serve(opened=index, port=server.port)
    expect(page.locator("#gone")).to_be_hidden()
    expect(page.locator("#hits > li")).to_have_count(3)


def test_from_a_folder_to_a_passage(documents: Path, show: Show) -> None:
    with served(documents) as url:
        page = show(url)
        page.keyboard.type("제주 여행")
        expect(page.locator("#hits > li .file").first).to_have_text("여행.md")


def test_korean_and_english(serve: Callable[..., str], show: Show, index: OpenIndex) -> None:
    page = show(serve(opened=index), locale="ko-KR")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("#tab-segments")).to_have_text("토큰 분할")
    page.keyboard.type("여행지")
    expect(page.locator("#found")).to_contain_text("구절 3개")
    page.locator("#language").click()
    expect(page.locator("#found")).to_contain_text("3 passages in")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    phrases = page.evaluate("import('/ui/words.js').then(({ words }) => words)")
    assert phrases["ko"].keys() == phrases["en"].keys()
    for key, phrase in phrases["en"].items():
        holes = sorted(re.findall(r"{\w+}", phrase))
        assert sorted(re.findall(r"{\w+}", phrases["ko"][key])) == holes, key


def test_tabs_by_key_and_by_address(serve: Callable[..., str], show: Show) -> None:
    page = show(serve(), "/#model")
    tab = page.get_by_role("tab", name="Model")
    expect(tab).to_have_attribute("aria-selected", "true")
    tab.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Segmentation")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Segmentation")).to_be_visible()
    assert page.url.endswith("#segments")
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Search")).to_be_visible()


def test_the_model_is_measured_while_the_page_goes_on(
    serve: Callable[..., str], show: Show, bench: Callable[..., tuple[str, ...]]
) -> None:
    page = show(serve(measuring=Measuring(bench(seconds=60))), "/#model")
    expect(page.locator("#recorded tbody tr").first).to_contain_text("onnx-int8 (loaded)")
    plot = page.locator("#recorded-plots img")
    expect(plot).to_have_js_property("complete", True)
    assert plot.evaluate("image => image.naturalWidth") == 760
    expect(page.locator("#results")).to_be_hidden()
    page.locator("#measure").click()
    expect(page.locator("#progress")).to_have_text("[   0.0 s] onnx-int8: load")
    expect(page.locator("#measure")).to_be_disabled()
    page.locator("#stop").click()
    expect(page.locator("#progress")).to_contain_text("Stopped")
    expect(page.locator("#measure")).to_be_enabled()


def test_segmentation(serve: Callable[..., str], show: Show) -> None:
    page = show(serve(), "/#segments")
    page.locator("#text").fill("국내 여행 漢")
    pieces = page.locator("#pruned .piece")
    expect(pieces).to_have_count(4)
    expect(pieces.nth(0)).to_contain_text("▁국내")
    expect(pieces.nth(3)).to_have_attribute("data-kind", "unknown")
    expect(page.locator("#pruned-count")).to_contain_text(
        "4 pieces (single letters: 0, unknown: 1)"
    )
    expect(page.locator("#full-hint")).to_be_visible()


def test_text_stands_out_from_its_background(
    serve: Callable[..., str], show: Show, index: OpenIndex
) -> None:
    page = show(serve(opened=index), reduced_motion="reduce")
    page.keyboard.type("여행지")
    expect(page.locator("#hits > li")).to_have_count(3)
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backgrounds.append(colour_of(page, "body", "backgroundColor"))
        for place in (".file", ".snippet", ".where", ".numbers", "#holds"):
            ratio = contrast(colour_of(page, place, "color"), backgrounds[-1])
            assert ratio >= READABLE, (scheme, place)
        marked = (colour_of(page, "mark", name) for name in ("color", "backgroundColor"))
        assert contrast(*marked) >= READABLE, scheme
    assert luminance(backgrounds[0]) > luminance(backgrounds[1])


def colour_of(page: Page, place: str, name: str) -> tuple[int, ...]:
    """Red, green and blue, 0 to 255."""
    found = page.locator(place).first.evaluate(f"place => getComputedStyle(place).{name}")
    return tuple(map(int, re.findall(r"\d+", found)[:3]))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: tuple[int, ...]) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
