"""Search in a folder of documents: `ondol index` and `ondol search` as a library.

from ondol import Embedder
from ondol.search import Index, update

with Embedder() as model:
    update(Path("notes.sqlite3"), Path("notes"), model)
    with Index.open("notes.sqlite3", model) as index:
        for hit in index.search("국내 여행지", limit=5):
            print(hit.file, hit.first, hit.snippet)
"""

from ondol.search.index import Hit, Index, Ranker, Stats
from ondol.search.indexing import Progress, UpdateReport, update

__all__ = ["Hit", "Index", "Progress", "Ranker", "Stats", "UpdateReport", "update"]
