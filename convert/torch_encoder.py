"""The checkpoint in PyTorch: what every other engine has to agree with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ondol.checkpoint import Checkpoint
from ondol.errors import MissingDependencyError
from ondol.runtime.pool import finish, pool

if TYPE_CHECKING:
    import transformers


def load_encoder(checkpoint: Checkpoint) -> "transformers.PreTrainedModel":
    """transformers' own encoder with the checkpoint's weights, float32, in evaluation mode.

    Raises MissingDependencyError without torch or transformers, CheckpointError for weights that
    are missing or of another shape.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "exporting and measuring", "transformers (with torch)", "convert"
        ) from error
    if checkpoint.architecture.model_type == "bert":
        config_class, model_class = transformers.BertConfig, transformers.BertModel
    else:
        config_class, model_class = transformers.XLMRobertaConfig, transformers.XLMRobertaModel
    # eager: the attention that the ONNX exporter can trace, and the plainest definition.
    config = config_class.from_dict({**checkpoint.config, "attn_implementation": "eager"})
    model = model_class(config, add_pooling_layer=False)
    # The index buffers are constants that the model makes itself; everything else must be there.
    model.load_state_dict(checkpoint.encoder_weights(), strict=False)
    return model.float().eval()


def load_reranker(checkpoint: Checkpoint) -> "transformers.PreTrainedModel":
    """transformers' own classifier with a reranker's weights, as `load_encoder` does it."""
    import transformers

    encoder = load_encoder(checkpoint)
    model = transformers.XLMRobertaForSequenceClassification(encoder.config)
    model.roberta = encoder
    model.load_state_dict(checkpoint.classifier_weights(), strict=False)
    return model.float().eval()


def reference_logits(
    model: "transformers.PreTrainedModel", sequences: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """A reranker's logits of pairs given as token ids: (pairs,) float32, each pair alone.

    Progress is shown on a terminal.
    """
    import torch

    logits = np.empty(len(sequences), dtype=np.float32)
    bar = tqdm(sequences, desc="PyTorch", unit="pair", disable=None)
    with torch.inference_mode():
        for index, ids in enumerate(bar):
            batch = torch.tensor([list(ids)])  # (1, tokens)
            output = model(input_ids=batch, attention_mask=torch.ones_like(batch))
            logits[index] = output.logits[0, 0].item()
    return logits


def reference_vectors(
    model: "transformers.PreTrainedModel",
    checkpoint: Checkpoint,
    sequences: Sequence[Sequence[int]],
) -> NDArray[np.float32]:
    """The vectors of texts given as token ids: (texts, hidden_size) float32.

    Each text runs alone, so that no padding takes part. Progress is shown on a terminal.
    """
    import torch

    vectors = np.empty((len(sequences), checkpoint.architecture.hidden_size), dtype=np.float32)
    bar = tqdm(sequences, desc="PyTorch", unit="text", disable=None)
    with torch.inference_mode():
        for index, ids in enumerate(bar):
            batch = torch.tensor([list(ids)])  # (1, tokens)
            states = model(input_ids=batch, attention_mask=torch.ones_like(batch))
            vectors[index] = finish(
                pool(states.last_hidden_state[0].numpy(), checkpoint.pooling),
                normalize=checkpoint.normalize,
                index=index,
            )
    return vectors
