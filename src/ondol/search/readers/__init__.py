"""Files to documents: which reader takes which file, and how large it may be."""

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from ondol.search.document import Document, UnreadableError

#: The bytes of a file to its text. Raises UnreadableError.
Reader = Callable[[bytes], Document]

#: By suffix, the module of `ondol.search.readers` whose `read` takes the file.
_BY_SUFFIX = {
    **dict.fromkeys((".txt", ".text", ".rst", ".adoc", ".org", ".tex", ".log"), "plain"),
    **dict.fromkeys((".md", ".markdown", ".mdx"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
    ".docx": "docx",
    **dict.fromkeys(
        (
            ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts",
            ".scala", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cs", ".go", ".rs", ".swift",
            ".m", ".mm", ".rb", ".php", ".pl", ".lua", ".r", ".jl", ".hs", ".ml", ".ex", ".exs",
            ".erl", ".clj", ".dart", ".zig", ".sh", ".bash", ".zsh", ".ps1", ".bat", ".sql", ".css",
            ".scss", ".vue", ".svelte", ".proto", ".graphql", ".cmake", ".toml", ".ini", ".cfg",
            ".yaml", ".yml",
        ),
        "source",
    ),
}  # fmt: skip

#: Files that have no suffix by custom.
_BY_NAME = {
    **dict.fromkeys(("readme", "license", "changelog", "authors", "news", "todo"), "plain"),
    **dict.fromkeys(("makefile", "dockerfile"), "source"),
}

_MEGABYTE = 1_000_000

#: Larger text is a log or a dump, and takes hours. The bytes of the others are mostly pictures.
_LARGEST = {"pdf": 100 * _MEGABYTE, "docx": 100 * _MEGABYTE}
_LARGEST_TEXT = 10 * _MEGABYTE


def kind_of(path: PurePath) -> str | None:
    """The kind of a file by its name; None if no reader takes it."""
    return _BY_SUFFIX.get(path.suffix.lower()) or _BY_NAME.get(path.name.lower())


def largest(kind: str) -> int:
    """Bytes of the largest file of this kind that is read."""
    return _LARGEST.get(kind, _LARGEST_TEXT)


def read(kind: str, content: bytes) -> Document:
    """The document in `content`, a file of this kind.

    Raises UnreadableError, also for a file without any text, and MissingDependencyError if the
    kind's library is not installed.
    """
    reader: Reader = import_module(f"ondol.search.readers.{kind}").read
    document = reader(content)
    if not any(block.end > block.start for block in document.blocks):
        raise UnreadableError("no text")
    return document
