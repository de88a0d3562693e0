"""The smallest cosine to PyTorch float32 that a variant may have on any reference text."""

from collections.abc import Mapping
from types import MappingProxyType

from ondol.variants import Variant

#: float files are to be exact but for rounding. The quantized ones stand at what was measured on
#: the stand-in checkpoint, whole and pruned (docs/parity.md), with room for another checkpoint
#: and processor.
MIN_COSINE: Mapping[Variant, float] = MappingProxyType(
    {
        Variant.ONNX_FP32: 0.99999,
        Variant.ONNX_INT8: 0.99,
        Variant.ONNX_INT4: 0.9,
        Variant.GGUF_F32: 0.99999,
        Variant.GGUF_F16: 0.9999,
        Variant.GGUF_Q8_0: 0.999,
        Variant.GGUF_Q5_0: 0.97,
        Variant.GGUF_Q4_0: 0.9,
        Variant.GGUF_Q4_K_M: 0.96,
    }
)
