"""The README.md of a bundle: what it is and how exact, generated from the manifest."""

from ondol.manifest import Manifest
from ondol.parity_table import COLUMNS, inputs_cell, limit_cell, number_cells
from ondol.task import Task


def model_card(manifest: Manifest) -> str:
    """A model card in the hub's form, with the measured table. Ends with a newline."""
    source = manifest.source
    revision = f" at revision `{source.revision}`" if source.revision else ""
    prompts = ", ".join(f"`{name}`: `{text}`" for name, text in manifest.prompts.items()) or "none"
    if manifest.task is Task.RERANK:
        return _reranker_card(manifest, revision)
    compared = inputs_cell(manifest.variants[0].parity)
    lines = [
        "---",
        "library_name: ondol",
        "pipeline_tag: feature-extraction",
        "tags: [sentence-similarity, feature-extraction, onnx, gguf]",
        "---",
        "",
        *_origin(manifest, revision),
        f"- Pooling: {manifest.pooling.value}; vectors "
        f"{'have' if manifest.normalize else 'do not have'} L2 norm 1",
        f"- Prompts: {prompts} ({manifest.prompts_source})",
        "- Ranges of int8 vectors: those of the vectors in `calibration.npy`",
        "",
        f"Cosine to {manifest.reference.engine}, on the {compared} texts "
        "of `reference.json`, whose vectors are in `reference.npy`:",
        "",
        *_table(manifest),
        "",
        "```python",
        "from ondol import Embedder",
        "",
        'model = Embedder("path/to/this/directory")',
        'vectors = model.encode_query(["온돌은 어떻게 방을 데우나요?"])',
        "```",
        "",
        "`ondol verify DIR` measures the table again on your machine.",
        "",
    ]
    return "\n".join(lines)


def _reranker_card(manifest: Manifest, revision: str) -> str:
    compared = inputs_cell(manifest.variants[0].parity)
    lines = [
        "---",
        "library_name: ondol",
        "pipeline_tag: text-ranking",
        "tags: [text-ranking, reranker, onnx, gguf]",
        "---",
        "",
        *_origin(manifest, revision),
        f"- A score is the {manifest.activation.value if manifest.activation else ''} of the logit",
        "",
        f"Logits against {manifest.reference.engine}, on the {compared} pairs of "
        "`reference.json`, whose logits are in `reference.npy`; errors in standard deviations of "
        "those:",
        "",
        *_table(manifest),
        "",
        "```python",
        "from ondol import Reranker",
        "",
        'model = Reranker("path/to/this/directory")',
        'model.rank("온돌은 어떻게 방을 데우나요?", ["온돌은 바닥을 데운다.", "비가 온다."])',
        "```",
        "",
        "`ondol verify DIR` measures the table again on your machine.",
        "",
    ]
    return "\n".join(lines)


def _origin(manifest: Manifest, revision: str) -> list[str]:
    arch, vocabulary = manifest.architecture, manifest.vocabulary
    return [
        f"# {manifest.source.id}, built by ondol {manifest.ondol_version}",
        "",
        f"Made from `{manifest.source.id}`{revision}.",
        "",
        f"- Architecture: {arch.model_type}, {arch.layers} layers, {arch.hidden_size} dimensions, "
        f"at most {arch.max_tokens} tokens",
        f"- Vocabulary: {vocabulary.rows:,} of {vocabulary.source_rows:,} rows ({vocabulary.rule})",
    ]


def _table(manifest: Manifest) -> list[str]:
    columns = COLUMNS[manifest.task]
    header = ("variant", "bytes", *columns.numbers, columns.limit)
    rows = [
        (
            f"`{record.name}`",
            f"{record.bytes:,}",
            *number_cells(record.parity),
            limit_cell(record.parity),
        )
        for record in manifest.variants
    ]
    rule = ("---", *("---:",) * (len(header) - 1))
    return [f"| {' | '.join(row)} |" for row in (header, rule, *rows)]
