"""The names of the libraries that can run a variant."""

from enum import Enum

from ondol.errors import InputError
from ondol.variants import Variant


class Engine(Enum):
    """A library that runs variants of one format; the value is its public name."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    LLAMA_CPP = "llama.cpp"

    @classmethod
    def parse(cls, name: str) -> "Engine":
        """The engine called `name`. Raises InputError with the list of names otherwise."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(engine.value for engine in cls)
            raise InputError(f"unknown engine {name!r}; expected one of: {known}") from None

    @classmethod
    def of(cls, variant: Variant) -> "Engine":
        """The engine of a variant for which none was named."""
        return cls.ONNXRUNTIME if variant.format == "onnx" else cls.LLAMA_CPP

    def runs(self, variant: Variant) -> bool:
        """Whether this engine reads the variant's format."""
        return (self is Engine.LLAMA_CPP) == (variant.format == "gguf")

    @property
    def module(self) -> str:
        """The module that has to be there."""
        return "llama_cpp" if self is Engine.LLAMA_CPP else self.value

    @property
    def package(self) -> str:
        """The distribution that brings it."""
        return "llama-cpp-python" if self is Engine.LLAMA_CPP else self.value

    def __str__(self) -> str:
        return self.value
