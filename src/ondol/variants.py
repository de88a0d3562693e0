"""The names of the forms in which a bundle can hold its model."""

from enum import Enum

from ondol.errors import VariantError


class Variant(Enum):
    """One form of the model in a bundle; the value is its public name, `<format>-<precision>`.

    Precisions are named as the format itself names them: onnx types for ONNX, ggml types for GGUF.
    """

    ONNX_FP32 = "onnx-fp32"
    ONNX_INT8 = "onnx-int8"
    ONNX_INT4 = "onnx-int4"
    GGUF_F32 = "gguf-f32"
    GGUF_F16 = "gguf-f16"
    GGUF_Q8_0 = "gguf-q8_0"
    GGUF_Q5_0 = "gguf-q5_0"
    GGUF_Q4_0 = "gguf-q4_0"
    GGUF_Q4_K_M = "gguf-q4_k_m"

    @classmethod
    def parse(cls, name: str) -> "Variant":
        """The variant called `name`. Raises VariantError with the list of names otherwise."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(variant.value for variant in cls)
            raise VariantError(f"unknown variant {name!r}; expected one of: {known}") from None

    @property
    def format(self) -> str:
        """The file format and with it the engine: "onnx" (onnxruntime) or "gguf" (llama.cpp)."""
        return self.value.partition("-")[0]

    @property
    def precision(self) -> str:
        """The part of the name after the format, for instance "int8" or "q4_k_m"."""
        return self.value.partition("-")[2]

    @property
    def path(self) -> str:
        """Where a bundle keeps this variant, relative to its directory."""
        suffix = {"onnx": "onnx", "gguf": "gguf"}[self.format]
        return f"{self.format}/model-{self.precision}.{suffix}"

    def __str__(self) -> str:
        return self.value


#: The order in which a variant is chosen where the user named none: fastest first, as
#: benchmarks/latency.py measured it, among equals the more exact one.
FASTEST_FIRST = (
    Variant.ONNX_INT8,
    Variant.ONNX_INT4,
    Variant.ONNX_FP32,
    Variant.GGUF_Q4_0,
    Variant.GGUF_Q8_0,
    Variant.GGUF_Q4_K_M,
    Variant.GGUF_Q5_0,
    Variant.GGUF_F16,
    Variant.GGUF_F32,
)
