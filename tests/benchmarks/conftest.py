"""A report with every kind of row."""

import pytest

from ondol.benchmarks.results import (
    BenchReport,
    Latency,
    Quality,
    Status,
    Throughput,
    VariantResult,
)
from ondol.engine import Engine
from ondol.variants import Variant


@pytest.fixture
def report() -> BenchReport:
    """One variant measured, one skipped, one stopped early; the numbers are made up."""
    measured = VariantResult(
        name=Variant.ONNX_INT8,
        engine=Engine.ONNXRUNTIME,
        bytes=38_300_000,
        status=Status.OK,
        problem=None,
        quality=Quality(texts=64, mean_cosine=0.9991, min_cosine=0.9984, floor=0.99),
        cold_start_ms=412.4,
        peak_bytes=127_000_000,
        latency=(Latency(16, 2.125, 2.5, 40), Latency(256, 30.04, 151.7, 20)),
        throughput=(Throughput(1, 50.0, 2_500.0, 5), Throughput(2, 96.5, 4_825.0, 5)),
    )
    skipped = VariantResult(
        name=Variant.GGUF_Q8_0,
        engine=Engine.LLAMA_CPP,
        bytes=41_600_000,
        status=Status.SKIPPED,
        problem="needs <llama-cpp-python>: pip install 'ondol[gguf]'",
        quality=None,
        cold_start_ms=None,
        peak_bytes=None,
        latency=(),
        throughput=(),
    )
    stopped = VariantResult(
        name=Variant.ONNX_FP32,
        engine=Engine.ONNXRUNTIME,
        bytes=149_500_000,
        status=Status.STOPPED,
        problem=None,
        quality=Quality(texts=64, mean_cosine=1.0, min_cosine=1.0, floor=0.99999),
        cold_start_ms=None,
        peak_bytes=None,
        latency=(Latency(16, 5.25, 6.0, 4),),
        throughput=(),
    )
    return BenchReport(
        command="ondol bench 'my bundle'",
        measured_at="2026-11-24T12:00:00+00:00",
        bundle="my bundle",
        model={"source": "a/b", "type": "bert", "layers": 12, "dimensions": 384, "rows": 41348},
        machine={
            "system": "Linux 6",
            "architecture": "x86_64",
            "processor": "AMD EPYC",
            "instructions": ["avx2", "avx512_vnni"],
            "physical_cores": 2,
            "python": "3.11.7",
            "packages": {"numpy": "2.4", "onnxruntime": "1.32", "llama-cpp-python": None},
            "ondol": "0.1.0",
        },
        threads=2,
        texts=64,
        tokens=3200,
        rounds=5,
        complete=False,
        variants=(measured, skipped, stopped),
    )
