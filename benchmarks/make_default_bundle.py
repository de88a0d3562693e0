"""Write the bundle inside the package from the stand-in checkpoint.

    python ../shared/standin/expand.py STANDIN
    python benchmarks/make_default_bundle.py STANDIN --eval ../shared/eval \
        --cache vectors --out src/ondol/default_bundle

It holds one quantized variant per engine and a small vocabulary, so that a clone of the repository
stays small. The model card gets the quality of each variant and of the whole checkpoint in float32,
measured as benchmarks/quality does.
"""

import argparse
import sys
from pathlib import Path

from quality.cache import vectors_of
from quality.comparison import Scores, compare
from quality.models import Bundle, CheckpointDirectory, NamedModel
from quality.sets import distinct_texts, read_sets

from ondol.convert.build import BuildOptions, build
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions

ROWS = 16_000
VARIANTS = (Variant.ONNX_INT8, Variant.GGUF_Q5_0)
#: Those of the E5 family; the stand-in was trained with them and does not state them.
PROMPTS = {"query": "query: ", "passage": "passage: "}
LIMIT = 32_000_000  # bytes

ABOUT = """
## What this is

A small stand-in, not a published model: it lets `ondol` work and be tested offline. As a retriever
it is far below multilingual-e5-small-ko. Build a bundle of that one for real use:
`ondol build dragonkue/multilingual-e5-small-ko --out DIR`.

A six-layer Korean-English sentence encoder in the form of the E5 family. Its layers start from
all-MiniLM-L6-v2 (Apache-2.0), its embedding rows from that model's rows for English and from
co-occurrence in parallel sentences for Korean. It was then distilled for 55 minutes on two cores:
57,783 Korean-English sentence pairs (Python and TensorFlow documentation and their translations,
training splits of KorSTS and STS-B, Tatoeba, news, UD PUD; PSF, CC BY and CC BY-SA sources), both
languages pulled to the teacher's English vector.

## Measured quality

Spearman times 100 on the test splits of KorSTS and STS-B, nDCG@10 on 431 paragraphs of KorQuAD 1.0
and on Cranfield:

| model | KorSTS | STS-B | KorQuAD | Cranfield |
| --- | ---: | ---: | ---: | ---: |
"""


def row(name: str, scores: Scores) -> str:
    return (
        f"| {name} | {100 * scores['korsts']['spearman'].value:.2f} "
        f"| {100 * scores['stsb']['spearman'].value:.2f} "
        f"| {scores['korquad']['ndcg_at_10'].value:.4f} "
        f"| {scores['cranfield']['ndcg_at_10'].value:.4f} |"
    )


def measured_rows(models: list[NamedModel], folder: Path, cache: Path) -> list[str]:
    """A row of the model card's table for each model."""
    sets = read_sets(folder)
    texts = distinct_texts(sets)
    vectors = ((model.name, vectors_of(model, texts, cache)) for model in models)
    return [row(name, scores) for name, scores in compare(sets, vectors)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("standin", type=Path, help="the expanded stand-in checkpoint")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the four sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors, kept")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    report = build(
        BuildOptions(
            source=str(options.standin),
            out=options.out,
            prune=PruneOptions(vocab_size=ROWS),
            variants=VARIANTS,
            prompts=PROMPTS,
        ),
        lambda stage: print(stage, file=sys.stderr),
    )
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    if size > LIMIT:
        sys.exit(f"the bundle has {size:,} bytes, more than {LIMIT:,}; lower ROWS")
    models = [
        NamedModel("whole vocabulary, float32", CheckpointDirectory(options.standin)),
        *(
            NamedModel(f"`{record.name}`, {ROWS:,} rows", Bundle(options.out, record.name))
            for record in report.manifest.variants
        ),
    ]
    rows = measured_rows(models, options.eval, options.cache)
    card = options.out / "README.md"
    card.write_text(card.read_text("utf-8") + ABOUT + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"{options.out}: {size:,} bytes")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
