"""`ondol info`: what a bundle holds."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.cli.options import add_bundle_argument, bundle_of, new_parser
from ondol.cli.table import emit, format_table
from ondol.engine import Engine
from ondol.parity_table import COLUMNS, inputs_cell, limit_cell, number_cells
from ondol.task import Task

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.manifest import Manifest

_DESCRIPTION = """\
Say what a bundle holds: its variants with their size, numbers and measured parity, its vocabulary,
prompts and source. No model is loaded or verified; that is `ondol verify`.
"""

_EXAMPLES = """\
ondol info
ondol info path/to/bundle --json
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "info",
        summary="say what a bundle holds",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_bundle_argument(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the manifest, which engines are installed, and facts of this machine, as JSON",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print. Returns 0."""
    from ondol.manifest import Manifest

    bundle = bundle_of(args)
    manifest = Manifest.read(bundle)
    if args.json:
        emit(json.dumps(as_json(bundle, manifest), ensure_ascii=False, indent=2) + "\n")
    else:
        emit(as_text(bundle, manifest))
    return 0


def as_json(bundle: Path, manifest: "Manifest") -> Mapping[str, Any]:
    """Manifest and machine in one object."""
    from ondol.machine import machine_facts
    from ondol.runtime.engines import installed

    products = _int8_products(manifest)
    return {
        "bundle": str(bundle),
        "manifest": json.loads(manifest.to_json()),
        "installed": {record.name.value: installed(record.name) for record in manifest.variants},
        "machine": {**machine_facts(), **({"int8_products": products} if products else {})},
    }


def as_text(bundle: Path, manifest: "Manifest") -> str:
    """The same for people: facts, the table of variants, and each variant's scheme."""
    arch, vocabulary = manifest.architecture, manifest.vocabulary
    revision = f" at {manifest.source.revision}" if manifest.source.revision else ""
    facts = {
        "bundle": str(bundle),
        "source": f"{manifest.source.id}{revision}",
        "built by": f"ondol {manifest.ondol_version}",
        "kind": _kind(manifest),
        "model": f"{arch.model_type}, {arch.layers} layers, {arch.hidden_size} dimensions, "
        f"{manifest.pooling.value} pooling{', normalised' if manifest.normalize else ''}",
        "max tokens": f"{arch.max_tokens:,}",
        "vocabulary": f"{vocabulary.rows:,} of {vocabulary.source_rows:,} rows; {vocabulary.rule}",
        "prompts": ", ".join(f"{name} {text!r}" for name, text in manifest.prompts.items())
        or "none",
        "reference": f"{inputs_cell(manifest.variants[0].parity)} {COLUMNS[manifest.task].inputs}, "
        f"{manifest.reference.engine}",
    }
    facts["engines"] = _engines()
    if products := _int8_products(manifest):
        facts["int8 products"] = products
    width = max(map(len, facts))
    head = "".join(f"{name:<{width}}  {value}\n" for name, value in facts.items())
    schemes = "".join(f"\n{record.name}\n{_scheme(record.scheme)}" for record in manifest.variants)
    return f"{head}\n{_variants(manifest)}{schemes}"


def _kind(manifest: "Manifest") -> str:
    """Encoder or reranker, and what runs it."""
    if manifest.task is Task.EMBED:
        return "encoder, for ondol.Embedder and `ondol embed`"
    score = manifest.activation.value if manifest.activation else ""
    return f"reranker, for ondol.Reranker and `ondol rerank`; a score is the logit's {score}"


def _engines() -> str:
    """Every engine with its version."""
    from ondol.machine import machine_facts

    packages = machine_facts()["packages"]
    return ", ".join(f"{engine} {packages[engine.package] or 'not installed'}" for engine in Engine)


def _int8_products(manifest: "Manifest") -> str | None:
    """How onnxruntime multiplies bytes on this machine; None if no variant needs onnxruntime."""
    if all(record.name.format != "onnx" for record in manifest.variants):
        return None
    from ondol.machine import byte_product_instructions
    from ondol.runtime.int8_products import products_are_exact

    instructions = byte_product_instructions()
    if products_are_exact():
        return f"exact ({instructions})" if instructions else "exact"
    return "exact, unsigned weights (no VNNI; slower)"


def _variants(manifest: "Manifest") -> str:
    from ondol.runtime.engines import installed

    columns = COLUMNS[manifest.task]
    header = ("variant", "bytes", "MB", *columns.numbers, columns.limit, "engine")
    rows = [
        (
            record.name.value,
            f"{record.bytes:,}",
            f"{record.bytes / 1e6:.1f}",
            *number_cells(record.parity),
            limit_cell(record.parity),
            "installed" if installed(record.name) else "not installed",
        )
        for record in manifest.variants
    ]
    return format_table(header, rows)


def _scheme(scheme: Mapping[str, Any], indent: str = "  ") -> str:
    """Nested mappings as indented lines; this is where the type of every GGUF tensor shows."""
    lines = []
    for name, value in scheme.items():
        label = name.replace("_", " ") if name.islower() else name  # Q4_0 is a name of its own
        if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
            lines.append(f"{indent}{label}\n{_scheme(value, indent + '  ')}")
        elif isinstance(value, Mapping):
            inner = ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
            lines.append(f"{indent}{label}: {inner}\n")
        else:
            lines.append(f"{indent}{label}: {_plain(value)}\n")
    return "".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return str(value)
