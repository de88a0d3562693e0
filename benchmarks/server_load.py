"""`ondol serve` under load: throughput against the library's own, and how long clients wait.

    python benchmarks/server_load.py --corpus ../shared/corpus/ko.txt.gz ../shared/corpus/en.txt.gz

The server is a process of its own, and so are the clients, which use one connection each for
OpenAI's protocol with base64, as its own client does. All use one bundle and one variant, which
share the machine's cores; on a small machine the clients take part of what the server could have.

Throughput: the same texts in requests of --texts-per-request, --streams requests at a time, and in
one call of `Embedder.encode` in this process. The two take turns, and the median of --rounds is
kept, so that a busy moment of the machine hits both. By the bar of the issue "Where people meet it"
the server may be 10% slower.

Latency: clients that ask for one text after another, as a search as you type would, all at once;
and one such client while a single request with all texts runs.
"""

import argparse
import base64
import http.client
import itertools
import json
import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bars import passed
from memory import corpus_lines
from numpy.typing import NDArray
from record import median, write_record

from ondol import Embedder
from ondol.errors import OndolError
from ondol.runtime.similarity import rowwise_cosine

#: Of the issue: the least share of the library's throughput.
BAR = 0.9

#: Clients at once.
CLIENTS = (1, 10, 50)


@contextmanager
def serving(bundle: Path | None, variant: str | None) -> Iterator[str]:
    """Run `ondol serve` on a free port; yields its address."""
    command = [sys.executable, "-m", "ondol", "serve", "--port", "0"]
    command += ["--model", str(bundle)] if bundle is not None else []
    command += ["--variant", variant] if variant is not None else []
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise OSError(f"ondol serve did not start: {line}{process.stderr.read()}")
        with ThreadPoolExecutor(1) as reader:
            # Its log has to be read, or the pipe fills and the server waits.
            reader.submit(process.stderr.read)
            try:
                yield found[0]
            finally:
                process.terminate()
    finally:
        process.wait()


class Client:
    """One connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dim) float32. Raises OSError for any answer but vectors."""
        body = json.dumps({"model": "ondol", "input": texts, "encoding_format": "base64"})
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/v1/embeddings", body.encode(), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"the server answered {response.status}: {content[:200]!r}")
        rows = [base64.b64decode(one["embedding"]) for one in json.loads(content)["data"]]
        return np.stack([np.frombuffer(row, dtype="<f4") for row in rows])


def embed_all(url: str, requests: Sequence[Sequence[str]], streams: int) -> NDArray[np.float32]:
    """Send all requests, `streams` at a time. Runs in a process of its own."""
    shares = [requests[stream::streams] for stream in range(streams)]
    with ThreadPoolExecutor(streams) as pool:
        parts = pool.map(lambda share: _embed_share(url, share), shares)
        answers: list[list[NDArray[np.float32]]] = list(parts)
    order = [answers[n % streams][n // streams] for n in range(len(requests))]
    return np.concatenate(order)


def _embed_share(url: str, requests: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
    client = Client(url)
    return [client.embed(texts) for texts in requests]


def wait_times(url: str, texts: Sequence[str], clients: int) -> list[float]:
    """Seconds of every request, one text each, from so many clients at once. Runs in a process of
    its own.
    """
    shares = [texts[client::clients] for client in range(clients)]

    def ask(share: Sequence[str]) -> list[float]:
        client = Client(url)
        client.embed(["warm up"])
        seconds = []
        for text in share:
            started = time.perf_counter()
            client.embed([text])
            seconds.append(time.perf_counter() - started)
        return seconds

    with ThreadPoolExecutor(clients) as pool:
        return list(itertools.chain.from_iterable(pool.map(ask, shares)))


def wait_times_beside(url: str, texts: Sequence[str]) -> list[float]:
    """Seconds of requests of one text each while one with all texts runs. Runs in a process of its
    own.
    """
    client = Client(url)
    client.embed(["warm up"])
    seconds = []
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(Client(url).embed, texts)
        for text in itertools.cycle(texts):
            started = time.perf_counter()
            client.embed([text])
            if long.done():
                return seconds
            seconds.append(time.perf_counter() - started)
    return seconds


def measure(
    model: Embedder, url: str, texts: Sequence[str], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Everything. Raises OSError if the server's vectors are not the library's."""
    size = arguments.texts_per_request
    requests = [texts[n : n + size] for n in range(0, len(texts), size)]
    library: list[float] = []
    server: list[float] = []
    latency: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    beside: list[float] = []
    tokens = int(model.embed(texts).token_counts.sum())
    with multiprocessing.get_context("spawn").Pool(1) as outside:
        outside.apply(embed_all, (url, requests[:1], 1))
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            started = time.perf_counter()
            expected = model.encode(texts)
            library.append(time.perf_counter() - started)
            started = time.perf_counter()
            found = outside.apply(embed_all, (url, requests, arguments.streams))
            server.append(time.perf_counter() - started)
            worst = float(rowwise_cosine(found, expected).min())
            if worst < 0.99999:
                raise OSError(f"the server's vectors differ from the library's: cosine {worst}")
            for clients in CLIENTS:
                asked = texts[: arguments.latency_texts]
                latency[clients] += outside.apply(wait_times, (url, asked, clients))
            beside += outside.apply(wait_times_beside, (url, texts))
    return {
        "variant": model.variant,
        "layers": model.manifest.architecture.layers,
        "threads": model.threads,
        "texts": len(texts),
        "tokens": tokens,
        "texts_per_request": size,
        "streams": arguments.streams,
        "library_seconds": median(library),
        "server_seconds": median(server),
        "share": median([a / b for a, b in zip(library, server, strict=True)]),
        "bar": BAR,
        "latency": [
            {**_percentiles(seconds), "clients": clients} for clients, seconds in latency.items()
        ],
        "beside_all_texts": _percentiles(beside),
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "requests": len(seconds),
        "p50_seconds": float(np.percentile(seconds, 50)),
        "p99_seconds": float(np.percentile(seconds, 99)),
    }


def as_text(results: dict[str, Any]) -> str:
    """For the terminal."""
    lines = [
        f"library {results['tokens'] / results['library_seconds']:,.0f} tokens/s, "
        f"server {results['tokens'] / results['server_seconds']:,.0f} tokens/s",
        f"{passed(results['share'] >= BAR)}: the server has {results['share']:.0%} of the "
        f"library's throughput, at least {BAR:.0%}",
    ]
    waits = {f"{row['clients']} clients": row for row in results["latency"]}
    waits["1 beside a request with all texts"] = results["beside_all_texts"]
    lines += [
        f"{name:<34} p50 {row['p50_seconds'] * 1e3:6.1f} ms  p99 {row['p99_seconds'] * 1e3:6.1f} ms"
        for name, row in waits.items()
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--corpus", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--variant", help="default: the bundle's fastest")
    parser.add_argument("--texts", type=int, default=2048, help="for throughput; default 2048")
    parser.add_argument("--texts-per-request", type=int, default=128, help="default 128")
    parser.add_argument("--streams", type=int, default=4, help="requests at once; default 4")
    parser.add_argument("--latency-texts", type=int, default=500, help="of each round; default 500")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        texts = corpus_lines(arguments.corpus, max(arguments.texts, arguments.latency_texts))
        with (
            serving(arguments.bundle, arguments.variant) as url,
            Embedder(arguments.bundle, variant=arguments.variant) as model,
        ):
            results = measure(model, url, texts[: arguments.texts], arguments)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
