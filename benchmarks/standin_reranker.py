"""Train a small reranker on the processor: a checkpoint of bge-reranker-v2-m3's form.

    python benchmarks/standin_reranker.py STANDIN MODEL OUT --eval ../shared/eval --cache DIR \
        [--steps N]

No published reranker could be had where this project is measured, and random weights have no order
to keep. OUT becomes an XLMRobertaForSequenceClassification whose encoder starts from STANDIN's and
whose classifier starts from nothing. It learns to tell the relevant document of a query from three
others among the first 20 that MODEL, named as for benchmarks/quality, finds on the training parts
of KorQuAD and Cranfield (see rerank_sets.py). Only its differences between engines mean something:
as a reranker it is far below the published ones.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from quality.models import parse_model
from rerank_sets import RerankSet, read_rerank_sets
from tqdm import tqdm

from ondol.checkpoint import Checkpoint
from ondol.errors import OndolError
from ondol.files import atomic_directory
from ondol.runtime.tokenize import TextTokenizer

if TYPE_CHECKING:
    import torch
    import transformers

#: Token ids of a text or a pair.
Ids = tuple[int, ...]

SEED = 7
STEPS = 800  # about a quarter of an hour on one core
GROUPS = 2  # of a step
NEGATIVES = 3  # of a group
#: Tokens of a query, special ones included, and of a document's window: more pairs teach more in
#: the same time than longer ones.
QUERY_TOKENS, WINDOW = 32, 48
LEARNING_RATE = 2e-4
#: Share of the steps in which the learning rate rises; it falls to 0 in the rest.
WARM_UP = 0.1
DOCUMENT_TOKENS = 512  # read of a document

#: XLM-RoBERTa counts positions from its padding id plus 1.
PADDING, FIRST_POSITION = 1, 2
END = 2  # </s>, twice between query and document

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "sentencepiece.bpe.model",
)


@dataclass(frozen=True)
class Example:
    """Token ids of a query, of a document that answers it, and of what else was found."""

    query: Ids
    relevant: Ids
    others: tuple[Ids, ...]


def examples(one: RerankSet, tokenizer_file: Path) -> list[Example]:
    """One for each query of the training part and relevant document, if it has enough others."""
    queries = TextTokenizer(tokenizer_file, max_tokens=QUERY_TOKENS)(one.queries).ids
    whole = TextTokenizer(tokenizer_file, max_tokens=DOCUMENT_TOKENS)(one.documents).ids
    documents = [ids[1:-1] for ids in whole]  # without <s> and </s>
    found = []
    for number in np.flatnonzero(~one.held_out):
        relevant = [place for place, grade in one.grades[number].items() if grade > 0]
        others = [place for place in one.candidates[number] if place not in relevant]
        if len(others) >= NEGATIVES:
            negatives = tuple(documents[place] for place in others)
            found += [Example(queries[number], documents[place], negatives) for place in relevant]
    return found


def groups(
    found: Sequence[Example], steps: int, random: np.random.Generator
) -> Iterator[list[Ids]]:
    """The pairs of each step: GROUPS times the relevant one and NEGATIVES others.

    Examples come in another order in every pass over them, and others are drawn anew.
    """
    order: list[int] = []
    for _ in range(steps):
        pairs = []
        for _ in range(GROUPS):
            order = order or random.permutation(len(found)).tolist()
            one = found[order.pop()]
            drawn = random.choice(len(one.others), NEGATIVES, replace=False)
            documents = [one.relevant, *(one.others[place] for place in drawn)]
            pairs += [joined(one.query, document) for document in documents]
        yield pairs


def joined(query: Ids, document: Ids) -> Ids:
    """The pair, with the window of the document that has most of the query's tokens."""
    wanted = set(query)
    starts = range(0, max(1, len(document) - WINDOW // 2), WINDOW // 2)
    best = max(starts, key=lambda start: len(wanted & set(document[start : start + WINDOW])))
    return (*query, END, *document[best : best + WINDOW], END)


def fresh_reranker(standin: Checkpoint) -> "transformers.PreTrainedModel":
    """The stand-in's encoder, a BertModel, as XLMRobertaModel with a new classifier on it."""
    import torch
    import transformers

    arch = standin.architecture
    config = transformers.XLMRobertaConfig(
        vocab_size=arch.vocab_rows,
        hidden_size=arch.hidden_size,
        num_hidden_layers=arch.layers,
        num_attention_heads=arch.heads,
        intermediate_size=arch.intermediate_size,
        layer_norm_eps=arch.layer_norm_eps,
        max_position_embeddings=arch.position_rows + FIRST_POSITION,
        type_vocab_size=1,
        pad_token_id=PADDING,
        num_labels=1,
    )
    state = standin.encoder_weights()
    positions, types = "position_embeddings.weight", "token_type_embeddings.weight"
    unused = torch.zeros(FIRST_POSITION, arch.hidden_size)
    state[f"embeddings.{positions}"] = torch.cat([unused, state[f"embeddings.{positions}"]])
    state[f"embeddings.{types}"] = state[f"embeddings.{types}"][:1]
    torch.manual_seed(SEED)
    model = transformers.XLMRobertaForSequenceClassification(config)
    model.roberta.load_state_dict(state)
    # Most of the 250,037 rows never come up; moved alone, the others would drift away from them.
    model.roberta.embeddings.word_embeddings.weight.requires_grad_(False)
    return model


def train(
    model: "transformers.PreTrainedModel",
    found: Sequence[Example],
    steps: int,
) -> None:
    """Softmax cross-entropy over each group, plus binary cross-entropy of each pair, so that the
    sigmoid of a logit is a probability. Without dropout: no pair comes up often. Shows progress.
    """
    import torch
    import transformers

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, int(WARM_UP * steps), steps)
    target = torch.zeros(GROUPS, dtype=torch.long)
    labels = torch.nn.functional.one_hot(target, 1 + NEGATIVES).float()
    model.eval()
    recent = 0.0
    bar = tqdm(groups(found, steps, np.random.default_rng(SEED)), total=steps, unit="step")
    for step, pairs in enumerate(bar):
        ids, mask = padded(pairs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=ids, attention_mask=mask).logits
        logits = logits.float().view(GROUPS, 1 + NEGATIVES)
        loss = torch.nn.functional.cross_entropy(logits, target)
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        recent += (loss.item() - recent) / min(step + 1, 20)
        bar.set_postfix(loss=f"{recent:.3f}")


def padded(sequences: Sequence[Ids]) -> "tuple[torch.Tensor, torch.Tensor]":
    """Ids and attention mask, both (pairs, longest) int64."""
    import torch

    rows = [torch.tensor(ids) for ids in sequences]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("standin", type=Path, help="the stand-in encoder's checkpoint")
    parser.add_argument("model", metavar="MODEL", help="the first stage")
    parser.add_argument("out", type=Path, help="a new directory")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for its vectors")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default {STEPS}")
    options = parser.parse_args()
    try:
        standin = Checkpoint(options.standin)
        sets = read_rerank_sets(options.eval, parse_model(options.model), options.cache)
        tokenizer = standin.directory / "tokenizer.json"
        found = [example for one in sets for example in examples(one, tokenizer)]
        print(f"{len(found):,} pairs of a query and a document that answers it", file=sys.stderr)
        model = fresh_reranker(standin)
        with atomic_directory(options.out) as partial:
            train(model, found, options.steps)
            model.save_pretrained(partial)
            for name in TOKENIZER_FILES:
                shutil.copyfile(standin.directory / name, partial / name)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
