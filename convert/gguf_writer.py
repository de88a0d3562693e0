"""Write an encoder or a reranker as a GGUF file of llama.cpp's architecture "bert".

llama.cpp's own converter fails or errs for encoders with an XLM-R vocabulary (ggml-org/llama.cpp
issues 27277, 14280; PR 8658), so this one states what the file needs itself: positions that start
at 0, the exact tokenizer, and every special id.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.checkpoint import Architecture, Pooling
from ondol.convert.gguf_tokenizer import UgmTokenizer, ugm_tokenizer
from ondol.errors import ConversionError, MissingDependencyError
from ondol.variants import Variant

#: BertModel's name -> llama.cpp's (src/llama-arch.cpp, LLM_TENSOR_NAMES), layer number as {}.
_TENSORS = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "encoder.layer.{}.attention.self.query": "blk.{}.attn_q",
    "encoder.layer.{}.attention.self.key": "blk.{}.attn_k",
    "encoder.layer.{}.attention.self.value": "blk.{}.attn_v",
    "encoder.layer.{}.attention.output.dense": "blk.{}.attn_output",
    "encoder.layer.{}.attention.output.LayerNorm": "blk.{}.attn_output_norm",
    "encoder.layer.{}.intermediate.dense": "blk.{}.ffn_up",
    "encoder.layer.{}.output.dense": "blk.{}.ffn_down",
    "encoder.layer.{}.output.LayerNorm": "blk.{}.layer_output_norm",
}

#: A reranker's head, XLMRobertaClassificationHead: src/models/bert.cpp reads these tensors, and
#: src/llama-graph.cpp, build_pooling, applies tanh between them.
_HEAD_TENSORS = {"classifier.dense": "cls", "classifier.out_proj": "cls.output"}

#: Never anything but float32: llama.cpp adds these rows as they are, and its quantizer leaves them
#: alone too (src/llama-quant.cpp, tensor_allows_quantization).
_ALWAYS_F32 = ("position_embd.weight", "token_types.weight")


def write_gguf(
    path: Path,
    *,
    architecture: Architecture,
    weights: Mapping[str, NDArray[np.float32]],
    tokenizer: Mapping[str, Any],
    pooling: Pooling,
    name: str,
    variant: Variant,
) -> None:
    """Write `path`; the same input gives the same bytes.

    weights: BertModel's tensors by their names without a prefix, float32, (out, in) for matrices;
        other names (a pooler) are ignored. With those of a classifier the file is a reranker's.
    tokenizer: the parsed tokenizer.json. Embedding rows past its entries are left out.
    pooling: recorded for llama-server and llama-embedding, unless there is a classifier.
    name: recorded as general.name.
    variant: GGUF_F32, or GGUF_F16, where matrices and the word embedding are float16 and biases,
        norms, positions and segment rows stay float32.

    Raises ConversionError if a tensor is missing, not finite or of another shape than
    `architecture` says, if the tokenizer has more entries than the embedding has rows, or if
    llama.cpp's tokenizer cannot reproduce it; MissingDependencyError without the gguf package.
    """
    try:
        import gguf
    except ImportError as error:
        raise MissingDependencyError("Writing GGUF files", "gguf", "convert") from error
    if variant not in (Variant.GGUF_F32, Variant.GGUF_F16):
        raise ConversionError(
            f"{variant} is not written from weights; write {Variant.GGUF_F32} and quantize it"
        )
    ugm = ugm_tokenizer(tokenizer)
    half = variant is Variant.GGUF_F16
    writer = gguf.GGUFWriter(path, "bert")
    reranks = "classifier.dense.weight" in weights
    _add_model_keys(writer, architecture, None if reranks else pooling, name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_tokenizer_keys(writer, ugm, architecture.type_rows)
    for tensor_name, tensor in _tensors(architecture, weights, len(ugm.pieces)):
        matrix = tensor.ndim == 2 and tensor_name not in _ALWAYS_F32
        writer.add_tensor(
            tensor_name, _as_float16(tensor_name, tensor) if half and matrix else tensor
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_model_keys(
    writer: Any, architecture: Architecture, pooling: Pooling | None, name: str
) -> None:
    """pooling: None for a reranker."""
    import gguf

    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    # llama.cpp makes the position tensor this long (src/models/bert.cpp: n_ctx_train).
    writer.add_context_length(architecture.position_rows - architecture.first_position)
    writer.add_embedding_length(architecture.hidden_size)
    writer.add_feed_forward_length(architecture.intermediate_size)
    writer.add_block_count(architecture.layers)
    writer.add_head_count(architecture.heads)
    writer.add_layer_norm_eps(architecture.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(
        {
            Pooling.MEAN: gguf.PoolingType.MEAN,
            Pooling.CLS: gguf.PoolingType.CLS,
            Pooling.LAST_TOKEN: gguf.PoolingType.LAST,
            None: gguf.PoolingType.RANK,
        }[pooling]
    )


def _add_tokenizer_keys(writer: Any, ugm: UgmTokenizer, type_rows: int) -> None:
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode("utf-8") for piece in ugm.pieces])
    writer.add_token_scores(ugm.scores)
    writer.add_token_types(ugm.kinds)
    # "token_type" here means segment: loading fails without it (src/models/bert.cpp).
    writer.add_token_type_count(type_rows)
    if ugm.charsmap:
        writer.add_precompiled_charsmap(ugm.charsmap)
    writer.add_add_space_prefix(ugm.add_space_prefix)
    writer.add_remove_extra_whitespaces(ugm.remove_extra_whitespaces)
    writer.add_add_bos_token(ugm.bos is not None)
    writer.add_add_eos_token(ugm.eos is not None)
    writer.add_unk_token_id(ugm.unk)
    # The defaults for "t5" are T5's ids, wrong here (src/llama-vocab.cpp); an id that is needed and
    # absent aborts the process. cls_token_id is read by llama.cpp before 2025, which did not yet
    # take bos for it.
    if ugm.bos is not None:
        writer.add_bos_token_id(ugm.bos)
        writer.add_uint32("tokenizer.ggml.cls_token_id", ugm.bos)
    if ugm.eos is not None:
        writer.add_eos_token_id(ugm.eos)
        writer.add_sep_token_id(ugm.eos)
    if ugm.pad is not None:
        writer.add_pad_token_id(ugm.pad)
    if ugm.mask is not None:
        writer.add_mask_token_id(ugm.mask)


def _tensors(
    architecture: Architecture, weights: Mapping[str, NDArray[np.float32]], entries: int
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """llama.cpp's tensor names with their values, in the order of the layers."""
    layout = _layout(architecture)
    if "classifier.dense.weight" in weights:
        layout |= _head_layout(architecture)
    for source, (target, shape) in layout.items():
        if source not in weights:
            raise ConversionError(f"the weights have no tensor {source}")
        tensor = weights[source]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise ConversionError(
                f"{source} is {tensor.dtype} of shape {tensor.shape}; expected float32 of {shape}"
            )
        if not np.isfinite(tensor).all():
            raise ConversionError(f"{source} holds NaN or infinity; the checkpoint is damaged")
        if target == "token_embd.weight":
            tensor = _known_rows(tensor, entries)
        elif target == "position_embd.weight":
            # llama.cpp counts positions from 0, XLMRobertaModel from its padding id + 1.
            tensor = tensor[architecture.first_position :]
        yield target, np.ascontiguousarray(tensor)


def _layout(architecture: Architecture) -> dict[str, tuple[str, tuple[int, ...]]]:
    """BertModel's tensor name -> llama.cpp's, and the shape that it has in the checkpoint."""
    hidden, wide = architecture.hidden_size, architecture.intermediate_size
    rows = {
        "token_embd": architecture.vocab_rows,
        "position_embd": architecture.position_rows,
        "token_types": architecture.type_rows,
        "ffn_up": wide,
    }
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    layers = [str(layer) for layer in range(architecture.layers)]
    for layer in ["", *layers]:
        for source, target in _TENSORS.items():
            if ("{}" in source) != bool(layer):
                continue
            kind = re.sub(r"^blk\.\{\}\.", "", target)
            out = rows.get(kind, hidden)
            stem, target_stem = source.format(layer), target.format(layer)
            vector = kind.endswith("norm")
            matrix = (out, wide if kind == "ffn_down" else hidden)
            layout[f"{stem}.weight"] = (f"{target_stem}.weight", (out,) if vector else matrix)
            if vector or layer:
                layout[f"{stem}.bias"] = (f"{target_stem}.bias", (out,))
    return layout


def _head_layout(architecture: Architecture) -> dict[str, tuple[str, tuple[int, ...]]]:
    hidden = architecture.hidden_size
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    for (source, target), out in zip(_HEAD_TENSORS.items(), (hidden, 1), strict=True):
        layout[f"{source}.weight"] = (f"{target}.weight", (out, hidden))
        layout[f"{source}.bias"] = (f"{target}.bias", (out,))
    return layout


def _known_rows(embedding: NDArray[np.float32], entries: int) -> NDArray[np.float32]:
    """The rows that a token id can reach; llama.cpp wants exactly one per token.

    Checkpoints of this family round their rows up (250,037 for 250,002 tokens). No text reaches
    the rest. Entries of type UNUSED for them would cost bytes, and llama.cpp would match their
    made-up names in texts (llm_tokenizer_ugm inserts UNUSED tokens into its trie).
    """
    if len(embedding) < entries:
        raise ConversionError(
            f"tokenizer.json has {entries:,} entries but the word embedding {len(embedding):,} "
            "rows; tokenizer and weights are from different models"
        )
    return embedding[:entries]


def _as_float16(name: str, tensor: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = tensor.astype(np.float16)
    if not np.isfinite(half).all():
        raise ConversionError(
            f"{name} has values up to {np.abs(tensor).max():.3g}, beyond float16's 65,504; "
            f"build {Variant.GGUF_F32} or a quantized variant instead of {Variant.GGUF_F16}"
        )
    return half
