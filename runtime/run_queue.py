"""Which texts an engine runs next, when several calls wait for it. No threads, no locks."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ondol.runtime.backend import Output

#: Indices of texts that run together, as `ondol.runtime.schedule.plan` makes them.
Group = tuple[int, ...]

#: Receives the indices of a group and the outputs of its texts. Called from several threads, but
#: only once for each group.
Sink = Callable[[Group, list[Output]], None]

#: A call with more tokens is a long one. Two texts of the usual maximum are short.
SHORT_TOKENS = 1024


@dataclass(eq=False)
class Call:
    """Texts of one caller.

    Attributes:
        ids: token ids of each text.
        sink: receives the outputs.
        max_texts: texts in one run that has any of these.
        waiting: groups that have not run yet, by the length of their longest text.
        running: groups that run now.
        dropped: the rest will not run.
        error: the reason, if texts of its own gave one.
    """

    ids: Sequence[Sequence[int]]
    sink: Sink
    max_texts: int
    waiting: dict[int, list[Group]] = field(default_factory=dict)
    running: int = 0
    dropped: bool = False
    error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more, or ever will."""
        return not self.waiting and not self.running

    def length(self, group: Group) -> int:
        """Tokens of the longest text; groups come with it first."""
        return len(self.ids[group[0]])

    def tokens(self, group: Group) -> int:
        """Tokens of all texts."""
        return sum(len(self.ids[index]) for index in group)


@dataclass(frozen=True)
class Part:
    """A group in a run, and the call that it is of."""

    call: Call
    group: Group

    @property
    def ids(self) -> list[Sequence[int]]:
        """Token ids of each of its texts."""
        return [self.call.ids[index] for index in self.group]


class RunQueue:
    """Calls take turns, and a run of one is filled up with texts of the others.

    Short calls and long ones stand in two lines, which alternate while both wait, so that a call
    with one text waits for one run of a call with a million. In its turn a call gets the run that
    can be filled best: for engines that take only texts of one length, a rare length then waits
    until the end of its call, and meets what has come meanwhile. A call that waits alone gets its
    longest texts first, so that short runs even out its end.

    Which texts share a run does not change their outputs (see Backend.max_batch_tokens).

    Args:
        max_batch_tokens: see Backend; runs are filled up to it.
        parallel_runs: see Backend; what is left to do is spread over so many runs.
    """

    def __init__(self, *, max_batch_tokens: int, parallel_runs: int) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._parallel_runs = parallel_runs
        self._short: deque[Call] = deque()
        self._long: deque[Call] = deque()
        self._long_is_next = False
        self._tokens: Counter[int] = Counter()  # that wait, by the length of their group

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def calls(self) -> list[Call]:
        """Those with groups that wait, the short ones first."""
        return [*self._short, *self._long]

    def add(self, call: Call, groups: Sequence[Group]) -> None:
        """Have these groups of a call wait, unless it was dropped."""
        if call.dropped or not groups:
            return
        if not call.waiting:
            tokens = sum(call.tokens(group) for group in groups)
            (self._short if tokens <= SHORT_TOKENS else self._long).append(call)
        for group in groups:
            call.waiting.setdefault(call.length(group), []).append(group)
            self._tokens[call.length(group)] += call.tokens(group)

    def drop(self, call: Call) -> None:
        """None of its groups waits any more, or will again."""
        call.dropped = True
        if not call.waiting:
            return
        for length, groups in call.waiting.items():
            self._wait_less(length, sum(call.tokens(group) for group in groups))
        call.waiting.clear()
        self._leave(call)

    def take(self) -> list[Part]:
        """The next run, empty if nothing waits. Its groups wait no more and count as running."""
        first, second = self._short, self._long
        if self._long_is_next:
            first, second = second, first
        line = first or second
        if not line:
            return []
        self._long_is_next = line is self._short
        call = line[0]
        line.rotate(-1)
        others = [one for one in self.calls() if one is not call]
        length = max(call.waiting, key=self._worth if others else None)
        most = min(self._max_batch_tokens, self._tokens.total() // self._parallel_runs)
        parts = [self._start(call, call.waiting[length][0])]
        for other in others:
            if length not in other.waiting:
                continue
            # The groups before the last one are full.
            more = Part(other, other.waiting[length][-1])
            if _fits([*parts, more], most):
                parts.append(self._start(other, more.group))
        return parts

    def put_back(self, part: Part) -> None:
        """A group that was taken did not run; unless its call was dropped it waits again."""
        part.call.running -= 1
        self.add(part.call, [part.group])

    def _worth(self, length: int) -> tuple[int, int]:
        return min(self._tokens[length], self._max_batch_tokens), length

    def _start(self, call: Call, group: Group) -> Part:
        self._remove(call, group)
        call.running += 1
        return Part(call, group)

    def _remove(self, call: Call, group: Group) -> None:
        length = call.length(group)
        self._wait_less(length, call.tokens(group))
        call.waiting[length].remove(group)
        if not call.waiting[length]:
            del call.waiting[length]
        if not call.waiting:
            self._leave(call)

    def _wait_less(self, length: int, tokens: int) -> None:
        self._tokens[length] -= tokens
        if not self._tokens[length]:
            del self._tokens[length]

    def _leave(self, call: Call) -> None:
        (self._short if call in self._short else self._long).remove(call)


def _fits(parts: Sequence[Part], max_tokens: int) -> bool:
    """Whether they may be one run."""
    texts = sum(len(part.group) for part in parts)
    tokens = sum(part.call.tokens(part.group) for part in parts)
    return tokens <= max_tokens and texts <= min(part.call.max_texts for part in parts)
