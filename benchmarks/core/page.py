"""A report as one HTML page."""

from html import escape

from ondol.benchmarks.html import html_page, html_table
from ondol.benchmarks.report_plots import report_plots
from ondol.benchmarks.results import BenchReport
from ondol.benchmarks.tables import (
    latency_table,
    machine_rows,
    notes,
    summary_table,
    threads_table,
)


def report_page(report: BenchReport) -> str:
    """The whole page, in HTML."""
    title = f"ondol bench: {report.model['source']}"
    warnings = "".join(f'<p class="note">{escape(note)}</p>\n' for note in notes(report))
    facts = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_fact(name, value)}</td></tr>'
        for name, value in machine_rows(report).items()
    )
    tables = {
        "Variants": summary_table(report),
        "Latency": latency_table(report),
        "Threads": threads_table(report),
    }
    plots = "".join(f"<figure>{svg}</figure>\n" for svg in report_plots(report).values())
    sections = "".join(
        f"<h2>{name}</h2>\n{html_table(table)}\n" for name, table in tables.items() if table.rows
    )
    return html_page(
        title,
        f"{warnings}{sections}<h2>Plots</h2>\n{plots}"
        f'<h2>Machine</h2>\n<table class="facts">{facts}</table>\n',
    )


def _fact(name: str, value: str) -> str:
    return f"<code>{escape(value)}</code>" if name == "command" else escape(value)
