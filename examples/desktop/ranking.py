"""A program to be frozen: ranks the lines of a text file by what they mean.

    ranking "가장 큰 섬" notes.txt

Everything it needs is inside: no Python, no network, no model elsewhere. It prints the best lines,
and how long it took, on standard output.
"""

import argparse
import sys
import time
from pathlib import Path

from ondol import Embedder, OndolError

#: What is ranked if no file is given.
NOTES = [
    "제주도는 대한민국에서 가장 큰 섬이다.",
    "The stock market fell sharply on Monday.",
    "감기는 바이러스가 일으키는 호흡기 질환이다.",
    "list.append(x) adds an item to the end of the list.",
    "김치찌개는 돼지고기와 잘 익은 김치를 넣고 끓인다.",
]


def main() -> int:
    """The exit code: 1 if the text cannot be read or embedded, else 0."""
    parser = argparse.ArgumentParser(description="Ranks lines of text by what they mean.")
    parser.add_argument("query")
    parser.add_argument("file", nargs="?", type=Path, help="UTF-8; a few notes if left out")
    parser.add_argument("--best", type=int, default=3, metavar="N")
    options = parser.parse_args()
    start = time.perf_counter()
    try:
        text = options.file.read_text(encoding="utf-8") if options.file else "\n".join(NOTES)
        lines = [line for line in text.splitlines() if line.strip()]
        with Embedder() as model:
            query, notes = model.encode_query(options.query), model.encode_document(lines)
            scores = model.similarity(query, notes)[0]
    except (OSError, UnicodeDecodeError, OndolError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for index in scores.argsort()[::-1][: options.best]:
        print(f"{scores[index]:.4f}  {lines[index]}")
    print(f"{len(lines)} lines in {time.perf_counter() - start:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
