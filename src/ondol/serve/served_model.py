"""What is being served, as the protocols tell it to their clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from ondol.errors import InputError
from ondol.serve.request_errors import RequestError, invalid

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder, EmbedResult

#: Puts no prompt before a text, and is no prompt's name.
NO_PROMPT = "none"
#: The tag that Ollama's clients add to a name without one.
_LATEST = "latest"


class TextEmbedder(Protocol):
    """What a server needs of `ondol.Embedder`; `ondol.testing.FakeEmbedder` has it too."""

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def prompts(self) -> Mapping[str, str]: ...

    def embed(self, texts: Sequence[str]) -> "EmbedResult": ...


class PairScorer(Protocol):
    """What a server needs of a reranker: scores in 0 to 1, (n,) float32, for n pairs."""

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Any: ...


@dataclass(frozen=True)
class ServedModel:
    """Names and facts of a model.

    Attributes:
        name: that responses carry.
        prompts: by name.
        default_prompt: name of the prompt that texts get where the client names none, or
            NO_PROMPT.
        dimension: elements of a whole vector.
        max_tokens: of the longest text, `<s>` and `</s>` included.
        normalized: whether vectors have norm 1 by themselves.
        pooling: "mean", "cls" or "last_token".
        variant: for instance onnx-int8.
        family: kind of the encoder, for instance "bert".
        bytes: of the weights.
        sha256: of the weights, 64 hexadecimal digits.
        loaded_at: when the server got it.

    Raises InputError if there is no prompt named as default_prompt says.
    """

    name: str
    prompts: Mapping[str, str]
    default_prompt: str
    dimension: int
    max_tokens: int
    normalized: bool
    pooling: str
    variant: str
    family: str
    bytes: int
    sha256: str
    loaded_at: datetime

    def __post_init__(self) -> None:
        if self.default_prompt not in (*self.prompts, NO_PROMPT):
            raise InputError(
                f"the bundle has no prompt named {self.default_prompt!r}; expected one of "
                f"{self._known()}"
            )

    @classmethod
    def of(cls, embedder: "Embedder", *, name: str, default_prompt: str) -> "ServedModel":
        """Of a bundle."""
        manifest = embedder.manifest
        record = next(one for one in manifest.variants if one.name.value == embedder.variant)
        return cls(
            name=name,
            prompts=embedder.prompts,
            default_prompt=default_prompt,
            dimension=embedder.dimension,
            max_tokens=embedder.max_tokens,
            normalized=manifest.normalize,
            pooling=manifest.pooling.value,
            variant=embedder.variant,
            family=manifest.architecture.model_type,
            bytes=record.bytes,
            sha256=record.sha256,
            loaded_at=datetime.now(UTC),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The name, and the names that choose a prompt."""
        return (self.name, *(f"{self.name}:{prompt}" for prompt in (*self.prompts, NO_PROMPT)))

    def prompt(self, *, model: str | None, prompt_name: str | None) -> str:
        """The prompt for a request's texts.

        Args:
            model: as the client names it. Whatever stands before a colon is not looked at: there
                is one model. After the colon stands the name of a prompt.
            prompt_name: a field of its own, where the client can send one; wins over the model's.

        Raises RequestError: 404 for a model with another ending, 400 for an unknown prompt_name.
        """
        if prompt_name is not None:
            if prompt_name not in self.prompts and prompt_name != NO_PROMPT:
                raise invalid(
                    f"there is no prompt named {prompt_name!r}; expected one of {self._known()}"
                )
            return self.prompts.get(prompt_name, "")
        # A colon in a registry's host and port has a slash somewhere after it.
        ending = (model or "").rsplit("/", 1)[-1].partition(":")[2]
        if ending in ("", _LATEST):
            return self.prompts.get(self.default_prompt, "")
        if ending in self.prompts or ending == NO_PROMPT:
            return self.prompts.get(ending, "")
        raise RequestError(
            HTTPStatus.NOT_FOUND,
            f"there is no model {model!r}: after the colon stands the name of a prompt, one of "
            f"{self._known()}",
        )

    def _known(self) -> str:
        return ", ".join(repr(name) for name in (*self.prompts, NO_PROMPT))
