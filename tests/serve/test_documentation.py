"""What docs/server.md shows runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from ondol import Embedder

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CURL = [line for line in PAGE.splitlines() if line.startswith("curl ")]


def tokens(texts: list[str], prompt_name: str) -> int:
    with Embedder(check="off") as model:
        return int(model.embed(texts, prompt_name=prompt_name).token_counts.sum())


@pytest.mark.parametrize("number", range(3))
def test_python_blocks(server_url: str, number: int) -> None:
    assert len(PYTHON) == 3
    assert ADDRESS in PYTHON[number]
    code = PYTHON[number].replace(ADDRESS, server_url)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    expected = (
        f"384 {tokens(['국내 여행지 추천'], 'query')}",
        f"2 {tokens(['제주도는 섬이다.', 'The stock market fell.'], 'passage')}",
        "(1, 384)",
    )
    assert done.stdout.strip() == expected[number]


@pytest.mark.parametrize("line", CURL)
def test_curl_lines_are_answered(server_url: str, line: str) -> None:
    _, url, option, body = shlex.split(line)
    assert option == "-d"
    # As curl says of what follows -d.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = httpx2.post(url.replace(ADDRESS, server_url), content=body.encode(), headers=headers)
    assert answer.status_code == 200
    assert answer.json()
