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

#: The largest difference of a reranker's logit, in spreads (see ondol.manifest.ScoreParity).
#: llama.cpp computes GELU from a table of float16 values, in gguf-f32 too. The ceilings stand at
#: what was measured on a small trained reranker (benchmarks/standin_reranker.py), with room for
#: another checkpoint; that of onnx-int4, which was not measured, at gguf-q5_0's, whose cosines are
#: its target. Single pairs near the step from no to yes decide: there the coarsest files are more
#: than a spread away, at correlations from 0.96 to 0.99.
MAX_SCORE_ERROR: Mapping[Variant, float] = MappingProxyType(
    {
        Variant.ONNX_FP32: 0.001,
        Variant.ONNX_INT8: 0.6,
        Variant.ONNX_INT4: 2.0,
        Variant.GGUF_F32: 0.05,
        Variant.GGUF_F16: 0.05,
        Variant.GGUF_Q8_0: 0.4,
        Variant.GGUF_Q5_0: 2.0,
        Variant.GGUF_Q4_0: 2.5,
        Variant.GGUF_Q4_K_M: 2.0,
    }
)
