"""benchmarks/server_load.py asks a server right, and says what it found."""

import numpy as np
from server_load import as_text, embed_all, wait_times, wait_times_beside

from ondol import Embedder

TEXTS = [f"{number} 번째 문장" for number in range(11)]


def test_answers_of_several_streams_are_put_in_order(server_url: str) -> None:
    requests = [TEXTS[:4], TEXTS[4:5], TEXTS[5:10], TEXTS[10:]]
    with Embedder(check="off") as model:
        expected = model.encode(TEXTS)
    assert np.array_equal(embed_all(server_url, requests, 3), expected)


def test_every_request_of_every_client_is_timed(server_url: str) -> None:
    seconds = wait_times(server_url, TEXTS, 3)
    assert len(seconds) == len(TEXTS)
    assert min(seconds) > 0
    assert min(wait_times_beside(server_url, TEXTS * 40)) > 0


def test_the_share_is_held_against_the_bar() -> None:
    waits = {"p50_seconds": 0.01, "p99_seconds": 0.25}
    load = {"texts_per_request": 128, "streams": 8}
    results = {
        "tokens": 1000,
        "library_seconds": 1.0,
        "loads": [{**load, "seconds": 1.25, "share": 0.8, "share_of_same_lists": 1.1}],
        "share": 0.8,
        "bar": 0.9,
        "bar_load": load,
        "latency": [{**waits, "clients": 10}],
        "beside_all_texts": waits,
    }
    text = as_text(results)
    assert "library, one call: 1,000 tokens/s" in text
    assert (
        "8 requests of 128 texts: 800 tokens/s, 80% of one call, 110% of calls with the same lists"
        in text
    )
    assert "FAIL: with 8 requests of 128 texts the server has 80% of the library's" in text
    assert "p50   10.0 ms  p99  250.0 ms" in text
    assert "pass" in as_text(results | {"share": 0.9})
