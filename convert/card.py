"""The README.md of a bundle: what it is and how exact, generated from the manifest."""

from ondol.manifest import Manifest


def model_card(manifest: Manifest) -> str:
    """A model card in the hub's form, with the measured table. Ends with a newline."""
    arch = manifest.architecture
    source = manifest.source
    revision = f" at revision `{source.revision}`" if source.revision else ""
    prompts = ", ".join(f"`{name}`: `{text}`" for name, text in manifest.prompts.items()) or "none"
    rows = [
        f"| `{record.name}` | {record.bytes:,} | {record.parity.mean_cosine:.6f} "
        f"| {record.parity.min_cosine:.6f} | {record.parity.max_abs_difference:.6f} "
        f"| {record.parity.floor} |"
        for record in manifest.variants
    ]
    lines = [
        "---",
        "library_name: ondol",
        "pipeline_tag: feature-extraction",
        "tags: [sentence-similarity, feature-extraction, onnx, gguf]",
        "---",
        "",
        f"# {source.id}, built by ondol {manifest.ondol_version}",
        "",
        f"Made from `{source.id}`{revision}.",
        "",
        f"- Architecture: {arch.model_type}, {arch.layers} layers, {arch.hidden_size} dimensions, "
        f"at most {arch.max_tokens} tokens",
        f"- Vocabulary: {manifest.vocabulary.rows:,} of {manifest.vocabulary.source_rows:,} rows "
        f"({manifest.vocabulary.rule})",
        f"- Pooling: {manifest.pooling.value}; vectors "
        f"{'have' if manifest.normalize else 'do not have'} L2 norm 1",
        f"- Prompts: {prompts} ({manifest.prompts_source})",
        "- Ranges of int8 vectors: those of the vectors in `calibration.npy`",
        "",
        f"Cosine to {manifest.reference.engine}, on the {manifest.variants[0].parity.texts} texts "
        "of `reference.json`, whose vectors are in `reference.npy`:",
        "",
        "| variant | bytes | mean cosine | smallest | largest difference | floor |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
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
