"""The picture of the page in README: the project's own documents, searched in Korean.

python benchmarks/page_screenshot.py docs/page.png

Needs Chromium and a Korean font (apt-get install chromium fonts-nanum).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ondol.errors import InputError
from ondol.files import atomic_file

ROOT = Path(__file__).parents[1]

QUERY = "긴 글은 어떻게 되나"
_WIDTH, _HEIGHT = 880, 620


def main() -> None:
    """Index, serve, search, and keep what the browser shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="FILE", type=Path, help="the picture, a .png")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "ondol"
        shutil.copytree(ROOT / "docs", folder / "docs")
        for name in ("README.md", "README.ko.md"):
            shutil.copy(ROOT / name, folder)
        with served(folder) as url, atomic_file(args.out) as partial:
            partial.write_bytes(screenshot(url))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`ondol app` over a folder; its address."""
    command = [sys.executable, "-m", "ondol", "app", str(folder), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") as server:
        try:
            for line in server.stderr or ():
                print(line, end="", file=sys.stderr)
                if line.startswith("serving "):
                    yield line.split()[-1]
                    break
            else:
                raise InputError("`ondol app` did not serve; its error stands above")
        finally:
            server.terminate()
            if server.stderr is not None:
                server.stderr.read()  # what it logs must not block it


def screenshot(url: str) -> bytes:
    """The page with the hits for QUERY, as PNG."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("Chromium is not installed; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(
            locale="ko-KR", color_scheme="light", viewport={"width": _WIDTH, "height": _HEIGHT}
        )
        page.goto(url)
        page.locator("#query").fill(QUERY)
        page.locator("#hits > li").first.wait_for()
        picture: bytes = page.screenshot()
        browser.close()
    return picture


if __name__ == "__main__":
    main()
