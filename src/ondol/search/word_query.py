"""A question to an FTS5 expression that stays fast however common its words are."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ondol.search.words import terms

if TYPE_CHECKING:
    import apsw

#: Passages that hold a term, added up over the terms of a question: what BM25 has to look at. The
#: rarest terms come first; what is left out weighs little, and takes most of the time.
#: benchmarks/search_scale.py measures the time, and search_quality.py what it costs.
_BUDGET = 10_000


def match_expression(connection: "apsw.Connection", query: str) -> str:
    """What to MATCH for passages with any of the terms of `query`; "" if none has any.

    A word of one syllable is found at the beginning of longer ones too: 물 in 물이.
    """
    found = []
    for term in dict.fromkeys(term.value for term in terms(query)):
        prefix = len(term) == 1 and "가" <= term <= "힣"
        count = _passages_with(connection, term, prefix=prefix)
        if count:
            found.append((count, f'"{term}"*' if prefix else f'"{term}"'))
    return " OR ".join(_affordable(sorted(found)))


def _affordable(counted: Iterable[tuple[int, str]]) -> list[str]:
    """The first expressions whose counts add up to the budget; at least one."""
    total = 0
    kept: list[str] = []
    for count, expression in counted:
        total += count
        if kept and total > _BUDGET:
            break
        kept.append(expression)
    return kept


def _passages_with(connection: "apsw.Connection", term: str, *, prefix: bool) -> int:
    if not prefix:
        count = connection.execute("SELECT doc FROM vocabulary WHERE term = ?", (term,)).get
        return int(count or 0)
    # U+D7A4 comes after every syllable.
    count = connection.execute(
        "SELECT sum(doc) FROM vocabulary WHERE term >= ? AND term < ?", (term, f"{term}\ud7a4")
    ).get
    return int(count or 0)
