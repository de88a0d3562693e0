"""One model for all adapters of the same bundle, for as long as one of them is there."""

import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

import ondol
from ondol import BundleNotFoundError, InputError
from ondol.integrations.opening import LazyModel, open_embedder, open_reranker
from ondol.runtime.default import default_bundle
from ondol.runtime.embedder import Embedder
from ondol.testing import FakeEmbedder


def lazy(variant: str | None = None, ready: Embedder | None = None) -> LazyModel[Embedder]:
    return LazyModel(open_embedder, None, variant, None, ready)


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    model = LazyModel(open_embedder, tmp_path / "nothing", None, None, None)
    assert model.source.bundle == str(tmp_path / "nothing")
    with pytest.raises(BundleNotFoundError):
        model()


def test_adapters_of_one_bundle_share_its_model() -> None:
    first, second, other = lazy("onnx-int8"), lazy("onnx-int8"), lazy()
    assert first() is second()
    assert first() is first()
    assert other() is not first(), "None is another answer on another day"


def test_the_model_goes_with_its_last_adapter(tmp_path: Path) -> None:
    bundle = tmp_path / "copy"  # which no other test has an adapter of
    bundle.symlink_to(default_bundle())
    first, second = (LazyModel(open_embedder, bundle, "onnx-int8", 1, None) for _ in range(2))
    model = weakref.ref(first())
    assert second() is model()
    del first
    assert model() is not None
    del second
    assert model() is None


def test_threads_that_come_together_open_it_once() -> None:
    adapters = [lazy("onnx-int8") for _ in range(4)]
    together = threading.Barrier(len(adapters))
    opened: list[Embedder] = []

    def use(adapter: LazyModel[Embedder]) -> None:
        together.wait()
        opened.append(adapter())

    threads = [threading.Thread(target=use, args=(adapter,)) for adapter in adapters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == len(adapters)
    assert len(set(map(id, opened))) == 1


def test_a_reranker_is_opened_with_the_same_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reranker:
        def __init__(self, bundle: str, *, variant: str | None, threads: int | None) -> None:
            self.arguments = (bundle, variant, threads)

    monkeypatch.setattr(ondol, "Reranker", Reranker, raising=False)
    first, second = (LazyModel(open_reranker, "/r", "onnx-int8", 2, None) for _ in range(2))
    assert first().arguments == ("/r", "onnx-int8", 2)
    assert second() is first()


def test_a_pickle_names_the_bundle_and_shares_it_again() -> None:
    model = lazy("onnx-int8")
    opened = model()
    assert pickle.loads(pickle.dumps(model))() is opened


def test_a_ready_model_travels_in_the_pickle() -> None:
    ready = FakeEmbedder(dimension=5)
    found = pickle.loads(pickle.dumps(LazyModel(open_embedder, None, None, None, ready)))
    assert found().dimension == 5


def test_a_ready_model_and_a_bundle_are_too_much() -> None:
    with pytest.raises(InputError, match="got a ready FakeEmbedder and also bundle='x'"):
        LazyModel(open_embedder, "x", None, None, FakeEmbedder())


LIBRARIES = {
    "langchain": ("langchain_core", "langchain-core", "langchain"),
    "llama_index": ("llama_index", "llama-index-core", "llama-index"),
    "haystack": ("haystack", "haystack-ai", "haystack"),
    "chroma": ("chromadb", "chromadb", "chroma"),
    "lancedb": ("lancedb", "lancedb", "lancedb"),
    "txtai": ("txtai", "txtai", "txtai"),
    "mteb": ("mteb", "mteb", "mteb"),
}


def test_every_adapter_is_listed_here() -> None:
    import ondol.integrations

    folder = Path(ondol.integrations.__file__).parent
    shared = {"__init__", "extras", "opening", "source"}
    assert {path.stem for path in folder.glob("*.py")} - shared == set(LIBRARIES)


def test_a_missing_library_is_an_error_that_names_the_extra() -> None:
    """In one fresh process, where none of the libraries can be imported."""
    code = f"""
import importlib, sys
import ondol
for adapter, (module, package, extra) in {LIBRARIES!r}.items():
    sys.modules[module] = None  # what Python takes for a module that cannot be imported
    try:
        importlib.import_module("ondol.integrations." + adapter)
    except ondol.MissingDependencyError as error:
        assert (error.package, error.extra) == (package, extra)
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    messages = done.stdout.splitlines()
    assert len(messages) == len(LIBRARIES)
    assert messages[0] == (
        "the adapter for LangChain needs the package langchain-core, which is not installed: "
        "pip install 'ondol[langchain]'"
    )
