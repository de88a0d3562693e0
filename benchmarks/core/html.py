"""Pages that need nothing else: no script, no font, no network."""

from collections.abc import Sequence
from html import escape

from ondol.benchmarks.tables import Table

_STYLE = """
:root{color-scheme:light dark;--back:#fff;--ink:#1c1e21;--faint:#e2e4e8;--quiet:#5f6670}
@media (prefers-color-scheme:dark){
:root{--back:#16181c;--ink:#e8eaed;--faint:#33373d;--quiet:#a0a6b0}}
body{margin:2rem auto;max-width:1080px;padding:0 1rem;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{caption-side:bottom;text-align:left;color:var(--quiet);font-size:.85rem;padding-top:.5rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--faint);text-align:right;
white-space:nowrap;vertical-align:top}
th{font-weight:600;vertical-align:bottom}
thead th{white-space:normal}
th:first-child,td:first-child,.word{text-align:left}
th:first-child,td:first-child{padding-left:0}
.facts td,.facts th{text-align:left;white-space:normal}
.note{border-left:3px solid #d55e00;padding-left:1rem}
figure{margin:1.5rem 0}
svg{max-width:100%;height:auto}
"""


def html_page(title: str, body: str) -> str:
    """A whole document around `body`, with the title as its heading."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )


def html_table(table: Table) -> str:
    """The table with its caption; columns without a digit flush left."""
    kinds = [
        "" if any(character.isdigit() for cell in column for character in cell) else ' class="word"'
        for column in zip(*table.rows, strict=True)
    ]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for name, kind in zip(table.header, kinds, strict=True)
    )
    body = "".join(f"<tr>{_row(row, kinds)}</tr>\n" for row in table.rows)
    caption = escape(table.caption[:1].upper() + table.caption[1:] + ".")
    return (
        f'<div class="wide"><table><caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
