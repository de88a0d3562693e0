"""From the texts of a request to vectors, or from its pairs to scores."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from ondol.runtime.pool import finish
from ondol.runtime.quantize import shorten
from ondol.runtime.run_queue import SHORT_TOKENS
from ondol.serve.batching import BatchQueue
from ondol.serve.limits import Limits
from ondol.serve.metrics import Metrics
from ondol.serve.request_errors import RequestError, invalid
from ondol.serve.served_model import PairScorer, ServedModel, TextEmbedder
from ondol.serve.token_ids import TokenIds

Answer = TypeVar("Answer")

#: Texts as the protocols have them: one or several, as characters or as token ids.
TextInput = str | list[str] | list[int] | list[list[int]]

#: Tokens that a batch holds at most, by the bound that a token is a character or more. The whole of
#: a usual request: the more texts there are to choose from, the fuller are the runs of the engine.
#: Of one whose client goes away so much is computed for nobody.
BATCH_TOKENS = 65536

#: Batches of short requests that run at once: the texts of one are prepared while the other runs.
SHORT_LANES = 2

#: Batches of long requests that run at once. Their texts share the runs of the engine, so that more
#: of them make fuller runs; each takes the memory of its texts and a thread that waits.
LONG_LANES = 16


@dataclass(frozen=True)
class Wish:
    """A text, its prompt before it, and what is to become of its vector.

    Attributes:
        dimension: elements to keep, from the first.
        normalize: whether the vector shall have norm 1.
    """

    text: str
    dimension: int
    normalize: bool


@dataclass(frozen=True)
class EmbeddedText:
    """A vector, (dimension,) float32, the tokens of its text, and whether the text was cut."""

    vector: NDArray[np.float32]
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Embedded:
    """All texts of a request.

    Attributes:
        vectors: (texts, dimension) float32.
        tokens: of all texts, special ones included.
        truncated: texts that were cut.
    """

    vectors: NDArray[np.float32]
    tokens: int
    truncated: int


@dataclass(frozen=True)
class Usage:
    """What the line of a request in the access log says about its work."""

    texts: int
    tokens: int | None
    truncated: int


class Service:
    """The models of a server, each behind a queue.

    Args:
        embedder: the model itself.
        model: its names and facts.
        token_ids: None refuses texts that come as token ids.
        reranker: None answers 404 to requests to rerank.
    """

    def __init__(
        self,
        embedder: TextEmbedder,
        model: ServedModel,
        *,
        token_ids: TokenIds | None,
        reranker: PairScorer | None,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.model = model
        self.limits = limits
        self.metrics = metrics
        self._embedder = embedder
        self._token_ids = token_ids
        self._texts: BatchQueue[Wish, EmbeddedText] = BatchQueue(
            self._embed_batch,
            cost=lambda wish: self._cost(len(wish.text)),
            short_lanes=SHORT_LANES,
            long_lanes=LONG_LANES,
            batch_cost=BATCH_TOKENS,
            short=SHORT_TOKENS,
            on_batch=metrics.batch_texts.observe,
        )
        self._pairs = None if reranker is None else self._pair_queue(reranker)
        metrics.watch_queue(self._waiting)

    def close(self) -> None:
        """End the threads of the queues. The models stay open: whoever opened them closes them."""
        self._texts.close()
        if self._pairs is not None:
            self._pairs.close()

    async def texts_of(self, given: TextInput) -> list[str]:
        """One text for each that a client means. A list of numbers is one text.

        Raises RequestError: 400 for token ids that cannot be turned into text, 413 for more lists
        of them than the limit.
        """
        if isinstance(given, str):
            return [given]
        texts = [one for one in given if isinstance(one, str)]
        lists = [one for one in given if isinstance(one, list)]
        single = [one for one in given if isinstance(one, int)]
        if single:
            lists = [single]
        if not lists:
            return texts
        self._check_number(len(lists), "texts")
        if self._token_ids is None:
            raise invalid("the input is token ids, but this server reads texts alone")
        # On a thread: long lists take long, and other requests go on meanwhile.
        return await asyncio.to_thread(self._token_ids.texts, lists)

    async def embed(
        self,
        request: Request,
        texts: Sequence[str],
        *,
        prompt: str,
        dimension: int | None = None,
        normalize: bool = True,
        truncate: bool = True,
    ) -> Embedded:
        """Embed the texts of a request.

        Args:
            prompt: put before every text.
            dimension: elements to keep, from the first; None keeps all.
            normalize: scale vectors to norm 1 also if the model does not. Vectors of a model that
                does have it anyway.
            truncate: whether a text may be cut to the model's maximum.

        Raises RequestError: 413 for more texts than the limit, 400 for a dimension that vectors do
        not have or a text that would have to be cut; ClientDisconnect if nobody waits any more.
        """
        self._check_number(len(texts), "texts")
        whole = self.model.dimension
        if dimension is not None and not 1 <= dimension <= whole:
            raise invalid(f"dimensions is {dimension}; expected a whole number from 1 to {whole}")
        kept = whole if dimension is None else dimension
        norm_1 = normalize or self.model.normalized
        wishes = [Wish(prompt + text, kept, norm_1) for text in texts]
        rows = await _unless_gone(request, self._texts.submit(wishes))
        result = Embedded(
            vectors=np.stack([row.vector for row in rows])
            if rows
            else np.empty((0, kept), dtype=np.float32),
            tokens=sum(row.tokens for row in rows),
            truncated=sum(row.truncated for row in rows),
        )
        if result.truncated and not truncate:
            raise invalid(
                f"{result.truncated} of {len(texts)} texts are longer than "
                f"{self.model.max_tokens} tokens; shorten them, or let them be cut (truncate)"
            )
        self.metrics.texts.inc(len(texts))
        self.metrics.tokens.inc(result.tokens)
        self.metrics.truncated.inc(result.truncated)
        request.state.usage = Usage(len(texts), result.tokens, result.truncated)
        return result

    async def score(self, request: Request, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, from 0 to 1.

        Raises RequestError: 404 without a reranker, 413 for more texts than the limit;
        ClientDisconnect if nobody waits any more.
        """
        if self._pairs is None:
            raise RequestError(
                HTTPStatus.NOT_FOUND,
                "this server has no reranker; start it with `ondol serve --reranker BUNDLE`",
            )
        self._check_number(len(texts), "texts")
        pairs = [(query, text) for text in texts]
        scores = await _unless_gone(request, self._pairs.submit(pairs))
        self.metrics.pairs.inc(len(pairs))
        request.state.usage = Usage(len(pairs), None, 0)
        return scores

    def _check_number(self, number: int, noun: str) -> None:
        if number > self.limits.texts:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the request has {number:,} {noun}; at most {self.limits.texts:,} may come at "
                "once: send several requests",
            )

    def _cost(self, characters: int) -> int:
        """A bound of the tokens of a text, `<s>` and `</s>` included, without tokenizing it."""
        return min(characters + 2, self.model.max_tokens)

    def _embed_batch(self, wishes: list[Wish]) -> list[EmbeddedText]:
        result = self._embedder.embed([wish.text for wish in wishes])
        truncated = set(result.truncated)
        rows = []
        for index, wish in enumerate(wishes):
            vector = result.vectors[index]  # (dim,) float32
            if wish.normalize and not self.model.normalized:
                vector = finish(vector, normalize=True, index=index)
            vector = shorten(vector, wish.dimension, normalize=wish.normalize, index=index)
            tokens = int(result.token_counts[index])
            rows.append(EmbeddedText(vector, tokens, index in truncated))
        return rows

    def _pair_queue(self, reranker: PairScorer) -> BatchQueue[tuple[str, str], float]:
        return BatchQueue(
            lambda pairs: [float(score) for score in reranker.predict(pairs)],
            cost=lambda pair: self._cost(len(pair[0]) + len(pair[1])),
            short_lanes=SHORT_LANES,
            long_lanes=LONG_LANES,
            batch_cost=BATCH_TOKENS,
            short=SHORT_TOKENS,
            on_batch=self.metrics.batch_texts.observe,
        )

    def _waiting(self) -> int:
        pairs = self._pairs.waiting if self._pairs is not None else 0
        return self._texts.waiting + pairs


async def _unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """What `work` gives. Cancels it and raises ClientDisconnect if the client goes away first.

    The body of the request must have been read.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_wait_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
