"""A Hugging Face checkpoint of an encoder or a reranker, read from its own files, never by name."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.errors import CheckpointError, MissingDependencyError, OndolError
from ondol.json_files import read_json
from ondol.task import Task

if TYPE_CHECKING:
    import torch

#: Where a tokenizer is read from, the first one that is there.
_TOKENIZER_FILES = ("tokenizer.json", "sentencepiece.bpe.model")

#: A tokenizer.json of 250,000 pieces has 17 MB.
_MAX_JSON_BYTES = 2**28

#: The most layers and the largest size that a configuration may state: far beyond any encoder, and
#: little enough that nothing is made by the billion before a weight is looked at.
_MAX_LAYERS, _MAX_SIZE = 1000, 2**31 - 1

#: Names under which task heads nest the bare encoder (transformers' `base_model_prefix`).
_PREFIXES = ("bert.", "roberta.", "model.")

#: Parts of transformers' encoders that take no part in token states: the pooler feeds heads only,
#: and the two index buffers are constants.
_UNUSED = re.compile(r"^(pooler\.|embeddings\.(position_ids|token_type_ids)$)")


class Pooling(Enum):
    """How token states become one vector; values as sentence-transformers names its modes."""

    MEAN = "mean"
    CLS = "cls"
    LAST_TOKEN = "lasttoken"


class Activation(Enum):
    """What a reranker does to its logit before it is a score."""

    SIGMOID = "sigmoid"
    IDENTITY = "identity"


@dataclass(frozen=True)
class Architecture:
    """Shape of a BERT-like encoder, in the terms of transformers' configuration.

    Attributes:
        model_type: "bert" or "xlm-roberta".
        vocab_rows: rows of the word embedding; at least the entries of the tokenizer.
        position_rows: rows of the position embedding.
        first_position: the position of a text's first token: 0 for BertModel, and the padding id
            plus 1 for XLMRobertaModel (transformers' create_position_ids_from_input_ids).
        max_tokens: the longest input, `<s>` and `</s>` included.
    """

    model_type: str
    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int
    vocab_rows: int
    position_rows: int
    type_rows: int
    layer_norm_eps: float
    first_position: int
    max_tokens: int


@dataclass(frozen=True)
class Prompts:
    """Texts put before an input, by their role, and where they were found."""

    by_name: Mapping[str, str]
    source: str


class Checkpoint:
    """A directory with config.json, a tokenizer and weights, described but not yet loaded.

    Attributes:
        tokenizer_file: tokenizer.json, or sentencepiece.bpe.model where there is none.
        task: RERANK for XLMRobertaForSequenceClassification with one label.
        pooling: of a reranker CLS: its head takes the first state.
        activation: of a reranker, as sentence-transformers' CrossEncoder chooses it; else None.

    Raises CheckpointError at construction for what ondol does not support: another architecture,
    a tokenizer with neither file, lower-casing, an activation other than exact GELU, relative or
    rotary positions, sentence-transformers modules other than Transformer, Pooling and Normalize,
    a classifier of several labels.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not directory.is_dir():
            raise CheckpointError(f"{directory} is not a directory; expected a checkpoint")
        with understood(directory):
            self._describe()

    def _describe(self) -> None:
        self.config = self.read_json("config.json")
        self.tokenizer_file = self._tokenizer_file()
        self.task = self._task()
        if self.task is Task.RERANK:
            self.pooling, self.normalize = Pooling.CLS, False
            self.activation: Activation | None = self._activation()
        else:
            self.pooling, self.normalize = self._modules()
            self.activation = None
        self.architecture = self._architecture()
        self.prompts = self._prompts()

    def tokenizer(self) -> dict[str, Any]:
        """The parsed tokenizer.json, or what transformers makes of sentencepiece.bpe.model.

        Raises CheckpointError if it cannot be read, MissingDependencyError where SentencePiece has
        to be read and transformers or sentencepiece is not installed.
        """
        if self.tokenizer_file.name == _TOKENIZER_FILES[0]:
            return self.read_json(self.tokenizer_file.name)
        try:
            import sentencepiece  # noqa: F401
            import transformers
        except ImportError as error:
            raise MissingDependencyError(
                f"reading {self.tokenizer_file.name}",
                "transformers (with sentencepiece)",
                "convert",
            ) from error
        try:
            loaded = transformers.XLMRobertaTokenizerFast(vocab_file=str(self.tokenizer_file))
            content: dict[str, Any] = json.loads(loaded.backend_tokenizer.to_str())
        except Exception as error:  # protobuf, OSError, ValueError: one message for the user
            raise CheckpointError(f"cannot read {self.tokenizer_file}: {error}") from error
        return content

    def weight_files(self) -> list[Path]:
        """The files that hold the weights, safetensors first. Raises CheckpointError if none."""
        for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
            if (self.directory / index).is_file():
                names = self._indexed_files(index)
                missing = [name for name in names if not (self.directory / name).is_file()]
                if missing:
                    raise CheckpointError(f"{index} names {missing[0]}, which is not there")
                return [self.directory / name for name in names]
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (self.directory / name).is_file():
                return [self.directory / name]
        raise CheckpointError(
            f"{self.directory} holds no weights; expected model.safetensors or pytorch_model.bin"
        )

    def _indexed_files(self, index: str) -> list[str]:
        """The files that an index names. Raises CheckpointError for one in another directory."""
        names = self.read_json(index).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise CheckpointError(f"{self.directory / index} has no weight_map with files")
        for name in names.values():
            # transformers writes all shards beside their index.
            if (
                not isinstance(name, str)
                or not re.fullmatch(r"[\w.-]{1,200}", name)
                or name == ".."
            ):
                raise CheckpointError(
                    f"{self.directory / index} names the file {name!r:.200}; expected one in the "
                    "same directory"
                )
        return sorted(set(names.values()))

    def load_state(self) -> "dict[str, torch.Tensor]":
        """Every tensor under the name and of the dtype that the files give it."""
        try:
            import torch
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingDependencyError("reading weights", "torch", "convert") from error
        state: dict[str, torch.Tensor] = {}
        for path in self.weight_files():
            try:
                if path.suffix == ".safetensors":
                    state |= load_file(path)
                else:
                    # weights_only: a pickle may run code when it is loaded, this one may not.
                    state |= torch.load(path, map_location="cpu", weights_only=True)
            except Exception as error:
                raise CheckpointError(f"cannot read the weights in {path}: {error}") from error
        return state

    def encoder_weights(self) -> "dict[str, torch.Tensor]":
        """The encoder's tensors as float32, under BertModel's own names without a prefix.

        Raises CheckpointError if one is missing or has another shape than config.json says.
        """
        return self._weights(self._encoder_shapes())

    def classifier_weights(self) -> "dict[str, torch.Tensor]":
        """A reranker's head as float32: classifier.dense and classifier.out_proj.

        Raises CheckpointError as `encoder_weights` does.
        """
        hidden = self.architecture.hidden_size
        return self._weights(
            {
                "classifier.dense.weight": (hidden, hidden),
                "classifier.dense.bias": (hidden,),
                "classifier.out_proj.weight": (1, hidden),
                "classifier.out_proj.bias": (1,),
            }
        )

    def _weights(self, shapes: Mapping[str, tuple[int, ...]]) -> "dict[str, torch.Tensor]":
        import torch

        state = {canonical_name(name): tensor for name, tensor in self.load_state().items()}
        weights = {}
        for name, shape in shapes.items():
            if name not in state:
                raise CheckpointError(f"{self.directory}: the weights have no tensor {name}")
            if tuple(state[name].shape) != shape:
                raise CheckpointError(
                    f"{self.directory}: {name} has shape {tuple(state[name].shape)}; "
                    f"config.json asks for {shape}"
                )
            weights[name] = state[name].to(torch.float32)
        return weights

    def _encoder_shapes(self) -> dict[str, tuple[int, ...]]:
        arch = self.architecture
        hidden, wide = arch.hidden_size, arch.intermediate_size
        shapes: dict[str, tuple[int, ...]] = {
            "embeddings.word_embeddings.weight": (arch.vocab_rows, hidden),
            "embeddings.position_embeddings.weight": (arch.position_rows, hidden),
            "embeddings.token_type_embeddings.weight": (arch.type_rows, hidden),
            "embeddings.LayerNorm.weight": (hidden,),
            "embeddings.LayerNorm.bias": (hidden,),
        }
        for layer in range(arch.layers):
            prefix = f"encoder.layer.{layer}."
            for name, rows, columns in (
                ("attention.self.query", hidden, hidden),
                ("attention.self.key", hidden, hidden),
                ("attention.self.value", hidden, hidden),
                ("attention.output.dense", hidden, hidden),
                ("intermediate.dense", wide, hidden),
                ("output.dense", hidden, wide),
            ):
                shapes[f"{prefix}{name}.weight"] = (rows, columns)
                shapes[f"{prefix}{name}.bias"] = (rows,)
            for name in ("attention.output.LayerNorm", "output.LayerNorm"):
                shapes[f"{prefix}{name}.weight"] = (hidden,)
                shapes[f"{prefix}{name}.bias"] = (hidden,)
        return shapes

    def read_json(self, name: str) -> dict[str, Any]:
        """The object in the file `name`. Raises CheckpointError if there is none."""
        path = self.directory / name
        try:
            content = read_json(path, max_bytes=_MAX_JSON_BYTES)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read {path}: {error}") from error
        if not isinstance(content, dict):
            raise CheckpointError(f"{path}: expected a JSON object, found {type(content).__name__}")
        return content

    def _tokenizer_file(self) -> Path:
        for name in _TOKENIZER_FILES:
            if (self.directory / name).is_file():
                return self.directory / name
        raise CheckpointError(
            f"{self.directory} has neither {' nor '.join(_TOKENIZER_FILES)}; supported are "
            "SentencePiece-Unigram tokenizers (the XLM-RoBERTa family): load the tokenizer once "
            "with transformers.AutoTokenizer and save it with save_pretrained"
        )

    def _task(self) -> Task:
        """RERANK for a model with a classifier around the encoder, unless it says how to pool.

        Raises CheckpointError for a classifier other than XLM-RoBERTa's of one label.
        """
        names = [str(name) for name in self.config.get("architectures") or ()]
        classifiers = [name for name in names if name.endswith("ForSequenceClassification")]
        if not classifiers or (self.directory / "1_Pooling").is_dir():
            return Task.EMBED
        if classifiers != ["XLMRobertaForSequenceClassification"]:
            raise CheckpointError(
                f"config.json names the architecture {', '.join(classifiers)}; supported rerankers "
                "are XLMRobertaForSequenceClassification"
            )
        # transformers' configuration has two labels where it states none.
        labels = len(self.config.get("id2label") or range(int(self.config.get("num_labels", 2))))
        if labels != 1:
            raise CheckpointError(
                f"config.json has {labels} labels; supported are rerankers, which have one"
            )
        return Task.RERANK

    def _activation(self) -> Activation:
        """As CrossEncoder.get_default_activation_fn of sentence-transformers 5 finds it."""
        own = "config_sentence_transformers.json"
        saved = self.read_json(own) if (self.directory / own).is_file() else {}
        if any((saved.get("prompts") or {}).values()):
            raise CheckpointError(f"{own} has prompts, which are not supported for a reranker")
        stated = (
            saved.get("activation_fn")
            or (self.config.get("sentence_transformers") or {}).get("activation_fn")
            or self.config.get("sbert_ce_default_activation_function")
            or "torch.nn.Sigmoid"
        )
        try:
            return Activation(str(stated).rpartition(".")[2].lower())
        except ValueError:
            raise CheckpointError(
                f"the reranker's activation is {stated}; supported are torch.nn.Sigmoid and "
                "torch.nn.Identity"
            ) from None

    def _architecture(self) -> Architecture:
        config = self.config
        kind = config.get("model_type")
        if kind not in ("bert", "xlm-roberta"):
            raise CheckpointError(
                f"model_type is {kind!r}; supported are 'bert' (BertModel) and 'xlm-roberta' "
                "(XLMRobertaModel) encoders"
            )
        if config.get("hidden_act", "gelu") != "gelu":
            raise CheckpointError(f"hidden_act is {config['hidden_act']!r}; supported is 'gelu'")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise CheckpointError(
                f"position_embedding_type is {config['position_embedding_type']!r}; "
                "supported is 'absolute'"
            )
        try:
            positions = int(config["max_position_embeddings"])
            first = 0 if kind == "bert" else int(config["pad_token_id"]) + 1
            architecture = Architecture(
                model_type=kind,
                layers=int(config["num_hidden_layers"]),
                hidden_size=int(config["hidden_size"]),
                heads=int(config["num_attention_heads"]),
                intermediate_size=int(config["intermediate_size"]),
                vocab_rows=int(config["vocab_size"]),
                position_rows=positions,
                type_rows=int(config["type_vocab_size"]),
                layer_norm_eps=float(config["layer_norm_eps"]),
                first_position=first,
                max_tokens=self._max_tokens(positions - first),
            )
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.directory}/config.json: {error!r}") from error
        self._check_sizes(architecture)
        return architecture

    def _check_sizes(self, architecture: Architecture) -> None:
        """Raises CheckpointError for sizes that no encoder has."""
        for name in (
            "layers",
            "hidden_size",
            "heads",
            "intermediate_size",
            "vocab_rows",
            "position_rows",
            "type_rows",
            "max_tokens",
        ):
            most = _MAX_LAYERS if name == "layers" else _MAX_SIZE
            size = getattr(architecture, name)
            if not 1 <= size <= most:
                raise CheckpointError(
                    f"{self.directory}: {name} is {size:,}; expected from 1 to {most:,}"
                )
        if architecture.hidden_size % architecture.heads or architecture.first_position < 0:
            raise CheckpointError(
                f"{self.directory}: {architecture.heads:,} heads do not divide "
                f"{architecture.hidden_size:,} columns, or the first position is "
                f"{architecture.first_position}"
            )

    def _max_tokens(self, positions: int) -> int:
        """The longest input that the checkpoint states, and at most as many as it has positions.

        As in sentence-transformers, max_seq_length wins over the tokenizer's model_max_length.
        """
        stated = None
        if (self.directory / "sentence_bert_config.json").is_file():
            sentence_bert = self.read_json("sentence_bert_config.json")
            if sentence_bert.get("do_lower_case"):
                raise CheckpointError(
                    "sentence_bert_config.json has do_lower_case true, which is not supported; "
                    "supported are tokenizers that take the text as it is"
                )
            stated = sentence_bert.get("max_seq_length")
        if stated is None and (self.directory / "tokenizer_config.json").is_file():
            # transformers writes 1e30 for "no limit".
            stated = self.read_json("tokenizer_config.json").get("model_max_length")
        return int(min(stated or positions, positions))

    def _modules(self) -> tuple[Pooling, bool]:
        """Pooling and whether vectors are normalised, from sentence-transformers' modules.json."""
        path = self.directory / "modules.json"
        if not path.is_file():
            raise CheckpointError(
                f"{self.directory} has no modules.json, so its pooling is unknown; open it with "
                "sentence_transformers.SentenceTransformer and save it once with save_pretrained"
            )
        try:
            modules = read_json(path, max_bytes=_MAX_JSON_BYTES)
            kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
            paths = [str(module["path"]) for module in modules]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"cannot read {path}: {error!r}; expected a list of modules, each with type and "
                "path, as sentence-transformers writes it"
            ) from error
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise CheckpointError(
                f"modules.json lists {', '.join(kinds)}; supported are Transformer, Pooling and, "
                "after them, Normalize"
            )
        for inner in paths[1:]:
            # A prune makes directories of these names.
            if not re.fullmatch(r"[\w-]{1,200}", inner):
                raise CheckpointError(
                    f"modules.json keeps a module in {inner!r:.200}; expected a directory of the "
                    "checkpoint"
                )
        if paths[0]:
            raise CheckpointError(
                f"modules.json keeps the transformer in {paths[0]!r}; expected the "
                "checkpoint directory itself"
            )
        config = self.read_json(f"{paths[1]}/config.json")
        if config.get("include_prompt") is False:
            raise CheckpointError(
                "1_Pooling leaves the prompt's tokens out of the mean (include_prompt false), "
                "which is not supported; supported is pooling over all tokens"
            )
        modes = [
            name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for name, value in config.items()
            if name.startswith("pooling_mode_") and value is True
        ]
        # sentence-transformers 5 can write the mode as one string instead of flags.
        if isinstance(config.get("pooling_mode"), str):
            modes = [config["pooling_mode"]]
        try:
            (mode,) = modes
            return Pooling(mode), "Normalize" in kinds
        except ValueError:
            supported = ", ".join(mode.value for mode in Pooling)
            raise CheckpointError(
                f"1_Pooling uses {', '.join(modes) or 'no mode'}; supported is one of {supported}"
            ) from None

    def _prompts(self) -> Prompts:
        """Prompts from sentence-transformers' configuration, else those the model card shows.

        The E5 family has none in its configuration; its cards show `query: ` and `passage: ` at
        the start of every example.
        """
        if self.task is Task.RERANK:
            return Prompts({}, "a reranker has none")
        if (self.directory / "config_sentence_transformers.json").is_file():
            stated = self.read_json("config_sentence_transformers.json").get("prompts") or {}
            # sentence-transformers 5 saves empty query and document prompts where none are set.
            stated = {str(name): str(text) for name, text in stated.items() if text}
            if stated:
                return Prompts(stated, "config_sentence_transformers.json")
        card = self.directory / "README.md"
        if card.is_file():
            text = card.read_text(encoding="utf-8", errors="replace")
            if all(re.search(rf"""['"]{role}: """, text) for role in ("query", "passage")):
                return Prompts({"query": "query: ", "passage": "passage: "}, "README.md")
        return Prompts({}, "none found")


@contextmanager
def understood(directory: Path) -> Iterator[None]:
    """A value of another kind than its name promises, anywhere in a checkpoint's JSON files, as
    CheckpointError.
    """
    try:
        yield
    except OndolError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f"the configuration of {directory} is damaged ({error!r:.200}); save the model "
            "again with save_pretrained"
        ) from error


def canonical_name(name: str) -> str:
    """A tensor's name as the bare BertModel has it: without the prefix of a model with a head."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    # Checkpoints converted from TensorFlow keep gamma and beta.
    return re.sub(
        r"LayerNorm\.gamma$",
        "LayerNorm.weight",
        re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name),
    )
