"""Rank Korean and English passages for a query with the bundle inside the package.

    python examples/demo.py

Runs each variant whose engine is installed and prints scores, sizes and times. Nothing is
downloaded.
"""

import time

from ondol import Embedder
from ondol.manifest import Manifest
from ondol.runtime.default import default_bundle
from ondol.runtime.engines import installed

QUERY = "파이썬 리스트에 항목을 추가하는 방법"
PASSAGES = [
    "list.append(x) adds an item to the end of the list.",
    "리스트의 끝에 항목을 더하려면 append 메서드를 사용합니다.",
    "김치찌개는 돼지고기와 잘 익은 김치를 넣고 끓인다.",
    "A young woman is playing the guitar on the street.",
    "딕셔너리에서 키를 삭제할 때는 del 문을 씁니다.",
]


def main() -> None:
    bundle = default_bundle()
    print(f"query: {QUERY}")
    for record in Manifest.read(bundle).variants:
        print(f"\n{record.name}, {record.bytes / 1e6:.1f} MB")
        if not installed(record.name):
            print("  skipped: llama-cpp-python is not installed (pip install 'ondol[gguf]')")
            continue
        start = time.perf_counter()
        with Embedder(variant=record.name.value) as model:
            loaded = time.perf_counter()
            query = model.encode_query(QUERY)
            passages = model.encode_document(PASSAGES)
            done = time.perf_counter()
            scores = model.similarity(query, passages)[0]
        for score, passage in sorted(zip(scores, PASSAGES, strict=True), reverse=True):
            print(f"  {score:.4f}  {passage}")
        texts = 1 + len(PASSAGES)
        print(
            f"  loaded and self-tested in {loaded - start:.2f} s, "
            f"{texts} texts in {1000 * (done - loaded):.0f} ms"
        )


if __name__ == "__main__":
    main()
