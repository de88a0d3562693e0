"""Similarity and retrieval quality of checkpoints, bundles and peers, on the same sets.

    python benchmarks/quality --eval ../shared/eval --cache DIR MODEL... [--peers DIR] [--json FILE]

MODEL is a checkpoint directory (run by sentence-transformers, float32), a bundle directory,
`BUNDLE:VARIANT` or `BUNDLE:VARIANT:ENGINE`, each with or without `NAME=` before it for the table.
The first MODEL is what the others are compared with. --peers adds every peer that
benchmarks/make_peers.py made in that folder, or those that --peer names.

KorSTS and STS-B, test: Spearman's correlation of the cosine with the score. ko-en STS: the Korean
first and the English second sentence of each pair. KorQuAD and Cranfield: nDCG@10 and recall@10.
Sentences and queries with the prompt `query: `, documents with `passage: `, as the E5 model cards
ask. Differences come with a 95% interval of a paired bootstrap over pairs or queries: where it
holds 0, the set does not tell the two models apart.

Every distinct text is encoded once per model and kept in the folder that --cache names: a run that
was stopped goes on there. A model that cannot run is named with the reason, and the others go on.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from record import write_record

from ondol.errors import InputError, OndolError
from quality import tables
from quality.cache import vectors_of
from quality.comparison import as_record, compare
from quality.models import NamedModel, parse_model
from quality.peer import peer_models
from quality.sets import EvaluationSet, Vectors, distinct_texts, read_sets


def main() -> int:
    """The exit code: 1 if a model could not run, else 0."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the vectors")
    parser.add_argument("--peers", type=Path, help="what benchmarks/make_peers.py wrote")
    parser.add_argument(
        "--peer",
        action="append",
        metavar="NAME",
        help="of the peers only this one; may be given several times",
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    try:
        return _run(options)
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    models = [parse_model(argument) for argument in options.models]
    if options.peers:
        models += _chosen(peer_models(options.peers), options.peer)
    names = [named.name for named in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"two models are called {twice[0]!r}, and the results go by name; "
            "put another one before one of them: NAME=MODEL"
        )
    sets = read_sets(options.eval)
    failed: dict[str, str] = {}
    found = dict(compare(sets, _vectors(models, sets, options.cache, failed)))
    results = as_record(sets, found, failed)
    print(tables.scores(results))
    print(f"Differences to {results['base']}:\n\n{tables.differences(results)}")
    for name, reason in failed.items():
        print(f"{name} did not run: {reason}")
    if options.json:
        write_record(options.json, results)
    return 1 if failed else 0


def _chosen(models: list[NamedModel], names: Sequence[str] | None) -> list[NamedModel]:
    """Those of `names`; None for all. Raises InputError for a name that there is not."""
    if names is None:
        return models
    known = [named.name for named in models]
    if unknown := sorted(set(names) - set(known)):
        raise InputError(f"no peer is called {unknown[0]!r}; expected one of: {'; '.join(known)}")
    return [named for named in models if named.name in names]


def _vectors(
    models: Sequence[NamedModel],
    sets: Sequence[EvaluationSet],
    cache: Path,
    failed: dict[str, str],
) -> Iterator[tuple[str, Vectors]]:
    """Vectors of each model that runs. Raises InputError if the first one, the base, does not."""
    for number, named in enumerate(models, start=1):
        print(f"[{number}/{len(models)}] {named.name}", file=sys.stderr, flush=True)
        try:
            vectors = vectors_of(named, distinct_texts(sets), cache)
        except OndolError as error:
            if number == 1:
                raise InputError(
                    f"{named.name}, with which the others are compared, does not run: {error}"
                ) from error
            failed[named.name] = str(error)
            print(f"  does not run: {error}", file=sys.stderr, flush=True)
        else:
            yield named.name, vectors
