"""`ondol serve` under load: throughput against the library's own, and how long clients wait.

    python benchmarks/server_load.py --corpus ../shared/corpus/ko.txt.gz ../shared/corpus/en.txt.gz

The server is a process of its own, and so are the clients, which use one connection each for
OpenAI's protocol with base64, as its own client does. All use one bundle and one variant, which
share the machine's cores; on a small machine the clients take part of what the server could have.

Throughput: the same texts in requests of several sizes, some at a time, in one call of
`Embedder.encode` in this process, and in one call for each of the requests' lists. They take turns,
and the median of --rounds is kept, so that a busy moment of the machine hits all. By the bar of the
issue "Where people meet it" the server may be 10% slower than the library; it is held to the one
call, under the load of BAR_LOAD. One call can put more texts of one length into a run than a server
whose clients send fewer at a time, so that smaller loads are behind it, as the library is with the
same lists.

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
from ondol.serve.limits import Limits

#: Of the issue: the least share of the library's throughput.
BAR = 0.9

#: Texts of a request, and requests at a time.
LOADS = ((32, 8), (128, 4), (128, 8), (512, 4))

#: The one that is held to the bar: about a thousand texts wait.
BAR_LOAD = (128, 8)

#: Texts of one request, as many as the server allows.
MOST_TEXTS = Limits().texts

#: Clients that send one text after another, at once.
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
    library: list[float] = []
    server: dict[tuple[int, int], list[float]] = {load: [] for load in LOADS}
    same_lists: dict[int, list[float]] = {size: [] for size, _ in LOADS}
    latency: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    beside: list[float] = []
    tokens = int(model.embed(texts).token_counts.sum())
    with multiprocessing.get_context("spawn").Pool(1) as outside:
        outside.apply(embed_all, (url, [texts[:32]], 1))
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            started = time.perf_counter()
            expected = model.encode(texts)
            library.append(time.perf_counter() - started)
            for size, seconds in same_lists.items():
                started = time.perf_counter()
                for request in _requests(texts, size):
                    model.encode(request)
                seconds.append(time.perf_counter() - started)
            for (size, streams), seconds in server.items():
                started = time.perf_counter()
                found = outside.apply(embed_all, (url, _requests(texts, size), streams))
                seconds.append(time.perf_counter() - started)
                worst = float(rowwise_cosine(found, expected).min())
                if worst < 0.99999:
                    raise OSError(f"the server's vectors differ from the library's: cosine {worst}")
            for clients in CLIENTS:
                asked = texts[: arguments.latency_texts]
                latency[clients] += outside.apply(wait_times, (url, asked, clients))
            beside += outside.apply(wait_times_beside, (url, texts[:MOST_TEXTS]))
    loads = [
        {
            "texts_per_request": size,
            "streams": streams,
            "seconds": median(seconds),
            "share": _share(library, seconds),
            "share_of_same_lists": _share(same_lists[size], seconds),
        }
        for (size, streams), seconds in server.items()
    ]
    return {
        "variant": model.variant,
        "layers": model.manifest.architecture.layers,
        "threads": model.threads,
        "texts": len(texts),
        "tokens": tokens,
        "library_seconds": median(library),
        "loads": loads,
        "share": _share(library, server[BAR_LOAD]),
        "bar": BAR,
        "bar_load": dict(zip(("texts_per_request", "streams"), BAR_LOAD, strict=True)),
        "latency": [
            {**_percentiles(seconds), "clients": clients} for clients, seconds in latency.items()
        ],
        "beside_all_texts": _percentiles(beside),
    }


def _requests(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[n : n + size] for n in range(0, len(texts), size)]


def _share(library: Sequence[float], server: Sequence[float]) -> float:
    """The server's throughput as a share of the library's, the median of the turns."""
    return float(median([a / b for a, b in zip(library, server, strict=True)]))


def _percentiles(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "requests": len(seconds),
        "p50_seconds": float(np.percentile(seconds, 50)),
        "p99_seconds": float(np.percentile(seconds, 99)),
    }


def as_text(results: dict[str, Any]) -> str:
    """For the terminal."""
    share, bar, of = results["share"], results["bar"], results["bar_load"]
    lines = [
        f"library, one call: {results['tokens'] / results['library_seconds']:,.0f} tokens/s",
        *(
            f"{load['streams']} requests of {load['texts_per_request']} texts: "
            f"{results['tokens'] / load['seconds']:,.0f} tokens/s, "
            f"{load['share']:.0%} of one call, "
            f"{load['share_of_same_lists']:.0%} of calls with the same lists"
            for load in results["loads"]
        ),
        f"{passed(share >= bar)}: with {of['streams']} requests of {of['texts_per_request']} texts "
        f"the server has {share:.0%} of the library's throughput, at least {bar:.0%}",
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
    parser.add_argument("--texts", type=int, default=4096, help="for throughput; default 4096")
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
