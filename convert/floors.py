"""How far from PyTorch float32 a variant may be on any input of the reference set."""

from collections.abc import Mapping
from types import MappingProxyType

from ondol.variants import Variant

#: The smallest cosine of an encoder's vector. float files are to be exact but for rounding. The
#: quantized ones stand at what was measured on the stand-in checkpoint, whole and pruned
#: (docs/parity.md), with room for another checkpoint and processor.
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

#: The largest mean difference of a reranker's logits, in spreads (see ondol.manifest.ScoreParity).
#: The ceilings stand at what was measured on a small trained reranker
#: (benchmarks/standin_reranker.py; docs/reranking.md), with room for another checkpoint. llama.cpp
#: computes GELU from a table of float16 values, in gguf-f32 too.
MAX_MEAN_SCORE_ERROR: Mapping[Variant, float] = MappingProxyType(
    {
        Variant.ONNX_FP32: 0.0001,
        Variant.ONNX_INT8: 0.05,
        Variant.ONNX_INT4: 0.2,
        Variant.GGUF_F32: 0.005,
        Variant.GGUF_F16: 0.005,
        Variant.GGUF_Q8_0: 0.04,
        Variant.GGUF_Q5_0: 0.15,
        Variant.GGUF_Q4_0: 0.25,
        Variant.GGUF_Q4_K_M: 0.15,
    }
)
