"""The engines that ondol is compared with: their files, their packages, their versions."""

import importlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ondol.errors import OndolError

#: Files in the directory that make_peers.py writes; a checkpoint that sentence-transformers loads.
ONNX_FLOAT = "onnx/model.onnx"
ONNX_INT8 = "onnx/model_qint8_avx512_vnni.onnx"
ONNX_FUSED_INT8 = "onnx/model_fused_qint8.onnx"
OPENVINO_FLOAT = "openvino/openvino_model.xml"
OPENVINO_INT8 = "openvino/openvino_model_qint8_quantized.xml"

#: Besides those that every record states with its machine.
_PACKAGES = (
    "nncf",
    "openvino",
    "optimum-intel",
    "optimum-onnx",
    "sentence-transformers",
    "torch",
    "transformers",
)


class MissingPeerError(OndolError):
    """A package that ondol is compared with is not installed."""


def load_peer(module: str) -> Any:
    """The module of a peer. Raises MissingPeerError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPeerError(
            f"cannot import {module} ({error}); run this program in the environment that "
            "benchmarks/peers.txt describes"
        ) from error


def openvino_options(threads: int) -> dict[str, Any]:
    """One request at a time on so many threads, as optimum-intel sets it up by default."""
    return {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}


def versions() -> Mapping[str, str | None]:
    """Versions of the packages that were compared; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def passed(ok: bool) -> str:
    """Of a bar."""
    return "pass" if ok else "FAIL"
