"""What soak.py, load_cycles.py and contention.py say of their numbers."""

from pathlib import Path
from typing import Any

import contention
import load_cycles
import pytest
import soak
import thread_choices
from footprint import footprint, second_half_slope, slope

from ondol.runtime.default import default_bundle
from ondol.variants import Variant


def test_a_slope_and_its_error_by_hand() -> None:
    line = slope([0, 1, 2, 3], [1, 3, 5, 7])
    assert (line.value, line.standard_error) == pytest.approx((2, 0))
    # Residuals -1, 1, 1, -1: squared sum 4 over 2 degrees of freedom, over a spread of 5.
    noisy = slope([0, 1, 2, 3], [0, 4, 6, 6])
    assert (noisy.value, noisy.standard_error) == pytest.approx((2, (2 / 5) ** 0.5))


def test_the_first_half_does_not_count() -> None:
    assert second_half_slope(range(8), [0, 50, 90, 99, 100, 101, 102, 103]).value == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_an_open_file_is_seen() -> None:
    before = footprint()
    with Path(__file__).open():
        assert footprint().descriptors == before.descriptors + 1
    assert before.resident_bytes > 10_000_000
    assert before.threads >= 1


def minute(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "variant": "onnx-int8",
        "minute": number,
        "calls": 100,
        "p50_ms": 4.0,
        "p99_ms": 20.0,
        "resident_bytes": 150_000_000,
        "descriptors": 11,
        "threads": 9,
    } | changes


def test_memory_that_grows_during_a_soak_is_said() -> None:
    minutes = [minute(n, resident_bytes=150_000_000 + 1_000_000 * n) for n in range(1, 13)]
    (result,) = soak.summary(minutes)
    assert result["resident_bytes_per_hour"] == pytest.approx(60e6)
    text = soak.as_text([result])
    assert "12 minutes, 1,200 calls, at most 162.0 MB, 11 descriptors, 9 threads" in text
    assert "resident    +60.000 ± 0.000 MB/hour" in text
    assert "p50          +0.000 ± 0.000 ms/hour" in text


def test_a_soak_that_was_stopped_early_has_no_slope() -> None:
    (result,) = soak.summary([minute(n) for n in range(1, 4)])
    assert "p50" not in soak.as_text([result])


def test_a_short_soak_calls_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    from ondol import Embedder

    with Embedder(variant="onnx-int8", check="off") as model:
        callers = soak.Callers(model, 2, 0)
        texts = list(callers._expected)
        with callers.running():
            while not callers.take()[1]:
                pass
        callers._expected[texts[0]] = callers._expected[texts[1]]
        with pytest.raises(OSError, match="another vector than alone"):
            callers._call("batch", Always(texts[: soak.BATCH]))


class Always:
    """Stands in for random.Random: the same sample every time."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def sample(self, population: list[str], count: int) -> list[str]:
        return self._texts


def test_cycles_are_counted_and_described() -> None:
    reading = {"resident_bytes": 90_000_000, "descriptors": 9, "threads": 5}
    record = {
        "variant": "gguf-f16",
        "cycles": 10_000,
        "ms_per_cycle": 21.34,
        "bytes_per_cycle": 12.4,
        "bytes_per_cycle_error": 3.1,
        "most_resident_bytes": 90_000_000,
        "readings": [{"cycle": 100, **reading}, {"cycle": 200, **reading}],
    }
    assert load_cycles.as_text([record]) == (
        "gguf-f16: 10,000 cycles of 21.3 ms, +12 ± 3 bytes/cycle, at most 90.0 MB, "
        "descriptors 9 to 9, threads 5 to 5"
    )


def test_every_case_of_contention_is_held_against_its_own_latency_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contention, "LENGTHS", (16,))
    monkeypatch.setattr(contention, "BUSY", (0, 1))
    setting = contention.Setting("onnx-int8", "onnx-int8")
    alone, beside = contention.measure(default_bundle(), [setting], 1, 0)
    assert (alone["busy"], beside["busy"]) == (0, 1)
    assert alone["p50_ratio"] == 1
    assert beside["p50_ratio"] == pytest.approx(beside["p50_ms"] / alone["p50_ms"], rel=0.1)
    assert alone["calls"] == contention.LEAST_CALLS
    assert "tokens  busy" in contention.as_text([alone, beside])


def test_variants_of_llama_cpp_are_measured_with_threads_that_spin_too() -> None:
    from ondol.manifest import Manifest

    names = [setting.name for setting in contention.settings(Manifest.read(default_bundle()))]
    assert names == ["onnx-int8", "gguf-q5_0", "gguf-q5_0, threads that spin"]


def test_ways_to_use_threads_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_choices, "LENGTHS", (8,))
    (record,) = thread_choices.measure(default_bundle(), Variant.ONNX_INT8, 1)
    assert record["tokens"] == 8
    assert min(record[way] for way in ("one_thread", "all_threads", "side_by_side")) > 0
