"""The bytes of a site-packages folder, distribution by distribution."""

from pathlib import Path

from install_size import extras_table, installed_sizes, packages_table


def _install(site: Path, name: str, size: int) -> None:
    """What pip leaves: a package and its record, here with one file missing."""
    (site / name).mkdir()
    (site / name / "__init__.py").write_bytes(b"#" * size)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/gone.py,,\n")


def test_the_largest_is_first_and_the_environments_tools_do_not_count(tmp_path: Path) -> None:
    for name, size in (("small", 10), ("pip", 10_000), ("large", 2_000)):
        _install(tmp_path, name, size)
    found = installed_sizes(tmp_path)
    assert [(one["name"], one["bytes"]) for one in found] == [("large", 2_000), ("small", 10)]
    table = packages_table({"packages": found})
    assert table.rows[-1] == ("together", "", "2,010")


def test_an_extra_counts_what_it_adds() -> None:
    base = {"name": "numpy", "version": "2", "bytes": 70_000_000}
    more = {"name": "chromadb", "version": "1", "bytes": 60_000_000}
    table = extras_table(
        [
            {"extra": None, "seconds": 5.0, "packages": [base]},
            {"extra": "chroma", "seconds": 21.4, "packages": [base, more]},
        ]
    )
    assert table.rows == (("chroma", "1", "60"),)
