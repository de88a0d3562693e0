"""What this machine is, as far as it decides how fast and how exact a model runs."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ondol.runtime.cores import physical_cores

#: Packages whose version can change a vector or a time.
_PACKAGES = ("numpy", "onnxruntime", "openvino", "llama-cpp-python", "tokenizers")

#: Flags of /proc/cpuinfo that decide which int8 and float kernels the engines take.
_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "asimddp",
    "i8mm",
)

#: Flags of instructions that add products of bytes in 32 bits, widest first, and their names.
_BYTE_PRODUCTS = {
    "amx_int8": "AMX",
    "avx512_vnni": "AVX512-VNNI",
    "avx_vnni": "AVX-VNNI",
    "i8mm": "I8MM",
    "asimddp": "DotProd",
}


def machine_facts() -> Mapping[str, Any]:
    """Processor, cores, system and package versions; a package that is missing is None."""
    model, flags = _cpuinfo()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": model or platform.processor() or None,
        "instructions": [flag for flag in _FLAGS if flag in flags],
        "physical_cores": physical_cores(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def byte_product_instructions() -> str | None:
    """The instructions of this processor that add products of bytes in 32 bits, or None.

    None also where the system does not list a processor's instructions.
    """
    _, flags = _cpuinfo()
    return next((name for flag, name in _BYTE_PRODUCTS.items() if flag in flags), None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpuinfo() -> tuple[str, frozenset[str]]:
    """Model name and flags of the first processor, on Linux; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", frozenset()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags") or fields.get("Features") or ""
    return fields.get("model name", ""), frozenset(flags.split())
