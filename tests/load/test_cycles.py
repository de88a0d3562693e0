"""Loading and closing again and again keeps nothing. 10,000 cycles: benchmarks/load_cycles.py."""

from pathlib import Path

import pytest
from load_cycles import measure

from ondol.runtime.default import default_bundle

CYCLES = 18

#: Cycles in which allocators fill their pools.
WARM_UP = 6

#: Helpers of a closed model end by themselves, some moments later.
ENDING_THREADS = 4


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("variant", ["onnx-int8", "gguf-q5_0"])
def test_cycles_keep_nothing(variant: str) -> None:
    (record,) = measure(default_bundle(), [variant], CYCLES, "off")
    warm, *_, last = record["readings"][WARM_UP - 1 :]
    file = next((default_bundle() / variant.partition("-")[0]).iterdir())
    # 12 kept models would be 12 files of 13 MB and more. Pools of the allocator, one for every
    # thread, went up and down by 40 MB over 45 cycles that kept nothing.
    assert last["resident_bytes"] - warm["resident_bytes"] < 4 * file.stat().st_size
    assert last["descriptors"] == warm["descriptors"]
    assert last["threads"] <= warm["threads"] + ENDING_THREADS
