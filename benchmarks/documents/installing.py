"""Tables of docs/offline-app.md and docs/integrations.md."""

from collections.abc import Callable, Mapping

from install_size import extras_table, packages_table

from documents.source import markdown, record, results, table_of


def install_size() -> str:
    """The packages of an installation without extras."""
    table = packages_table(results("install_size")[0])
    return markdown(table.header, table.rows, "llr") + f"\n`{record('install_size')['command']}`\n"


def install_extras() -> str:
    """What the adapters' libraries add to it."""
    return table_of(extras_table(results("install_size"))) + (
        f"\n`{record('install_size')['command']}`\n"
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "install_size": install_size,
    "install_extras": install_extras,
}
