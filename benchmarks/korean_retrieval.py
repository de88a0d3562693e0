"""Seven Korean retrieval tasks through mteb, beside the published rows.

    python benchmarks/korean_retrieval.py BUNDLE --out DIR [--variant NAME] [--tasks NAME...]

The tasks are those of the model card of multilingual-e5-small-ko: nDCG@10, queries and documents
with the bundle's prompts. mteb downloads their data sets. MIRACLRetrieval and MrTidyRetrieval have
1.5 million documents each and take hours; the others take minutes.

Results lie in DIR in mteb's own format, a file per task, as soon as the task is done. A task whose
file is there is not run again: call the same command to go on after a stop. A task that cannot run
(no network, for instance) is named with the reason, and the others go on.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quality.published import TASKS, Row, beside_published

from ondol import Embedder
from ondol.errors import OndolError

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

    from ondol.integrations.mteb import OndolEncoder


@dataclass(frozen=True)
class Outcome:
    """What became of the tasks.

    Attributes:
        scores: nDCG@10 by task.
        failed: the reason by task.
    """

    scores: dict[str, float]
    failed: dict[str, str]


def korean_tasks(names: Iterable[str]) -> "list[AbsTask]":
    """The tasks of these names, restricted to Korean."""
    import mteb

    return [
        mteb.get_task(name, hf_subsets=None if TASKS[name] is None else [str(TASKS[name])])
        for name in names
    ]


def run_tasks(encoder: "OndolEncoder", tasks: "Sequence[AbsTask]", out: Path) -> Outcome:
    """nDCG@10 of every task; those whose results lie in `out` are read from there."""
    import mteb

    outcome = Outcome({}, {})
    for number, task in enumerate(tasks, start=1):
        name = task.metadata.name
        print(f"[{number}/{len(tasks)}] {name}", file=sys.stderr, flush=True)
        found = mteb.evaluate(
            encoder,
            task,
            cache=mteb.ResultCache(out),
            overwrite_strategy="only-missing",
            raise_error=False,
            co2_tracker=False,
        )
        for error in found.exceptions or ():
            outcome.failed[name] = error.exception
            print(f"  does not run: {error.exception}", file=sys.stderr, flush=True)
        for result in found.task_results:
            outcome.scores[name] = result.get_score(getter=lambda scores: scores["ndcg_at_10"])
    return outcome


def report(name: str, outcome: Outcome) -> str:
    """The table, and what of it cannot be compared."""
    ours = Row(name, outcome.scores)
    lines = [beside_published(ours)]
    if ours.missing:
        done = [task for task in TASKS if task in ours.scores]
        lines.append(
            f"{len(done)} of {len(TASKS)} tasks were run, so there is no mean to compare; "
            f"missing: {', '.join(ours.missing)}."
        )
    lines += [f"{task} did not run: {reason}" for task, reason in outcome.failed.items()]
    return "\n".join(lines)


def main() -> int:
    """The exit code: 1 if a task could not run, else 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--variant", help="default: the bundle's fastest")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--out", type=Path, required=True, help="folder for mteb's results")
    options = parser.parse_args()
    try:
        return _run(options)
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    from ondol.integrations.mteb import OndolEncoder

    with Embedder(options.bundle, variant=options.variant) as embedder:
        encoder = OndolEncoder(embedder=embedder)
        print(f"prompts: {dict(embedder.prompts) or 'none'}", file=sys.stderr, flush=True)
        outcome = run_tasks(encoder, korean_tasks(options.tasks), options.out)
    print(report(encoder.name, outcome))
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
