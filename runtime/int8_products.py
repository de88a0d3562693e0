"""Does this processor multiply unsigned by signed bytes exactly, as onnxruntime does it here?

x86 without VNNI adds two products of bytes in 16 bits and clips the sum (VPMADDUBSW): 255 × 127
twice is 32,767 instead of 64,770, and vectors change without an error (microsoft/onnxruntime issues
6004, 14642). onnxruntime can store such weights unsigned, whose kernels are exact and slower. Its
option for that takes effect on every x86 processor with AVX2, VNNI or not
(core/mlas/lib/platform.cpp, MlasPlatformU8S8Overflow), so it is set only where it is needed; and
what is needed is found by multiplying, as flags do not tell which kernel a build of onnxruntime
takes.
"""

import base64
from functools import cache

import numpy as np
import onnxruntime

#: An ONNX file: y = MatMulInteger(a, b), a unsigned, b signed. tests/runtime/test_int8_products.py
#: builds it with the package onnx and compares.
_PRODUCT = base64.b64decode(
    "CAUSBW9uZG9sOmUKGAoBYQoBYhIBeSINTWF0TXVsSW50ZWdlchIEdThzOFoVCgFhEhAKDggCEgoKAxIBbQoDEgFrWhUK"
    "AWISEAoOCAMSCgoDEgFrCgMSAW5iFQoBeRIQCg4IBhIKCgMSAW0KAxIBbkIECgAQCg=="
)

#: Largest values of a row and a column, long and wide enough for any kernel's main loop.
_ROWS, _INNER, _COLUMNS = 4, 64, 16


@cache
def products_are_exact() -> bool:
    """Whether onnxruntime's product of uint8 and int8 matrices is right on this processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        _PRODUCT, sess_options=options, providers=["CPUExecutionProvider"]
    )
    a = np.full((_ROWS, _INNER), 255, np.uint8)
    b = np.full((_INNER, _COLUMNS), 127, np.int8)
    (product,) = session.run(None, {"a": a, "b": b})  # (_ROWS, _COLUMNS) int32
    return bool((product == _INNER * 255 * 127).all())


def make_products_exact(options: onnxruntime.SessionOptions) -> None:
    """Let a session store int8 weights unsigned if this processor needs that.

    It is a graph optimisation of the level ORT_ENABLE_EXTENDED: the session must allow that level.
    """
    if not products_are_exact():
        options.add_session_config_entry("session.x64quantprecision", "1")
