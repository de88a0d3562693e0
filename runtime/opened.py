"""A bundle with one variant of it in its engine: what Embedder and Reranker have in common."""

import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from ondol.closing import Closing
from ondol.engine import Engine
from ondol.errors import BundleError, ClosedError, InputError
from ondol.hub.names import is_repository
from ondol.manifest import Manifest
from ondol.runtime.checks import SELF_TEST_TEXTS, Check, check_agreement, check_files
from ondol.runtime.cores import physical_cores
from ondol.runtime.engines import choose_variant, open_backend
from ondol.runtime.runner import Runner
from ondol.runtime.tokenize import NormalForm, TextTokenizer
from ondol.task import Task
from ondol.variants import Variant


class OpenedBundle(Closing, ABC):
    """Files checked, tokenizer read, engine opened. Subclasses state their `task` and self-test.

    Safe to use from many threads at once. Works in a forked child (the engine is opened again
    there) and can be pickled to a spawned one.
    """

    task: Task
    _warned = False

    @classmethod
    def of_unfinished(
        cls, directory: Path, manifest: Manifest, variant: Variant, *, check: str
    ) -> Self:
        """For `ondol build`: load a variant of a directory that has no ondol.json yet.

        A build writes its manifest last, so that one that is killed leaves nothing that loads.
        """
        opened = cls.__new__(cls)
        opened._load(directory, variant.value, None, None, check, None, manifest)
        return opened

    def _load(
        self,
        path: Path,
        variant: str | None,
        engine: str | None,
        threads: int | None,
        check: str,
        normalize: NormalForm | None,
        manifest: Manifest | None = None,
    ) -> None:
        manifest = Manifest.read(path) if manifest is None else manifest
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads is {threads!r}; expected a whole number from 1, or None")
        wanted_check = Check.parse(check)
        check_task(path, manifest, self.task)
        self.path = path
        self.manifest = manifest
        chosen = choose(manifest, variant, engine)
        self._record = manifest.variant(chosen)
        self._engine = Engine.parse(engine) if engine is not None else Engine.of(chosen)
        self.threads = threads or physical_cores()
        self._normal_form = normalize
        check_files(self.path, self.manifest, self._record, wanted_check)
        self._tokenizer = TextTokenizer(
            self.path / self.manifest.tokenizer.path,
            max_tokens=self.max_tokens,
            normal_form=normalize,
        )
        self._locks: dict[int, threading.Lock] = {}
        self._closed = False
        self._pid = os.getpid()
        self._runner = self._open()
        try:
            check_agreement(self.manifest, self._tokenizer, self._runner.backend)
            if count := SELF_TEST_TEXTS[wanted_check]:
                self._self_test(count)
        except BaseException:
            self._runner.close()
            raise

    @abstractmethod
    def _self_test(self, count: int) -> None:
        """Run the first `count` inputs of the reference set. Raises SelfTestError if they differ
        more from PyTorch's outputs than the variant may.
        """

    def _reopening(self) -> dict[str, Any]:
        """Arguments, besides the path, that make the same object in another process."""
        # What was checked here is not checked again.
        return {
            "variant": self.variant,
            "engine": self.engine,
            "threads": self.threads,
            "check": Check.OFF.value,
            "normalize": self._normal_form,
        }

    def _reference_tokenizer(self) -> TextTokenizer:
        """The reference is stated for texts as they are, and for the model's own maximum."""
        whole = self.manifest.architecture.max_tokens
        if self._normal_form is None and self.max_tokens == whole:
            return self._tokenizer
        return TextTokenizer(self.path / self.manifest.tokenizer.path, max_tokens=whole)

    @property
    def variant(self) -> str:
        """Name of the variant in use."""
        return self._record.name.value

    @property
    def engine(self) -> str:
        """Name of the engine in use."""
        return self._engine.value

    @property
    def normalize(self) -> NormalForm | None:
        """Unicode normal form that is applied to every text first; None takes texts as they are."""
        return self._normal_form

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest input, special tokens included."""
        return self.manifest.architecture.max_tokens

    def close(self) -> None:
        """Free the engine. Later calls raise ClosedError; closing again does nothing."""
        with self._lock():
            self._closed = True
            if self._pid == os.getpid():
                self._runner.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({str(self.path)!r}, variant={self.variant!r}, threads={self.threads})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (type(self), str(self.path), self._reopening())

    def _open(self) -> Runner:
        return Runner(
            open_backend(self.path, self.manifest, self._record, self._engine, threads=self.threads)
        )

    def _lock(self) -> threading.Lock:
        """The lock of this process. One that another thread held at a fork, as close() does while
        it waits for the running calls, stays locked in the child for ever.
        """
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def _current_runner(self) -> Runner:
        """The engine of this process: threads do not survive a fork, so a child opens its own."""
        with self._lock():
            if self._closed:
                raise ClosedError(f"the {type(self).__name__} was closed; make a new one")
            if self._pid != os.getpid():
                # The parent's engine stays referenced: its threads are gone, and freeing it here
                # would wait for them.
                self._parents_runner = self._runner
                self._runner = self._open()
                self._pid = os.getpid()
            return self._runner


def check_task(path: Path, manifest: Manifest, wanted: Task) -> None:
    """Raises BundleError if the bundle is of another kind."""
    if manifest.task is not wanted:
        raise BundleError(
            f"{path} is {manifest.task.article} bundle, which ondol.{manifest.task.class_name} "
            f"loads; expected {wanted.article} bundle"
        )


def locate(bundle: str | os.PathLike[str], variant: str | None, engine: str | None) -> Path:
    """The bundle's directory, which for a repository of the hub is one of its cache."""
    path = Path(bundle)
    if not isinstance(bundle, str) or path.exists() or not is_repository(bundle):
        return path
    # Imported here, so that nobody else pays for it.
    from ondol.hub.bundles import cached_bundle

    return cached_bundle(bundle, lambda manifest: choose(manifest, variant, engine))


def choose(manifest: Manifest, variant: str | None, engine: str | None) -> Variant:
    """The variant that was named, or the fastest one."""
    if variant is not None:
        return Variant.parse(variant)
    return choose_variant(manifest, Engine.parse(engine) if engine is not None else None)


def _reopen(kind: type[Any], path: str, options: dict[str, Any]) -> Any:
    return kind(path, **options)
