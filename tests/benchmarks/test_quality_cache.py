"""Vectors are made once, survive a run that was stopped, and belong to one model and its texts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from quality.cache import vectors_of
from quality.models import Encode, NamedModel
from quality.sets import Texts

from ondol.errors import EngineError, InputError

FIRST = Texts("first", ("a", "bb"))
SECOND = Texts("second", ("ccc",))


@dataclass
class LengthModel:
    """A vector of a text is its length; `fails` names a text at which it stops."""

    name: str = "lengths"
    fails: str | None = None
    encoded: list[str] = field(default_factory=list)
    opened: int = 0

    def identity(self) -> str:
        return self.name

    @contextmanager
    def open(self) -> Iterator[Encode]:
        self.opened += 1
        yield self._encode

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.fails in texts:
            raise EngineError("stopped")
        self.encoded += texts
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    stopped = LengthModel(fails="ccc")
    with pytest.raises(EngineError, match="stopped"):
        vectors_of(NamedModel("m", stopped), [FIRST, SECOND], tmp_path)
    assert stopped.encoded == ["a", "bb"]

    resumed = LengthModel()
    found = vectors_of(NamedModel("m", resumed), [FIRST, SECOND], tmp_path)
    assert resumed.encoded == ["ccc"], "what was stored is not encoded again"
    assert {name: v.tolist() for name, v in found.items()} == {
        "first": [[1], [2]],
        "second": [[3]],
    }


def test_a_model_with_all_vectors_stored_is_not_opened(tmp_path: Path) -> None:
    vectors_of(NamedModel("m", LengthModel()), [FIRST], tmp_path)
    again = LengthModel()
    vectors_of(NamedModel("another name", again), [FIRST], tmp_path)
    assert again.opened == 0


def test_another_model_or_other_texts_are_encoded(tmp_path: Path) -> None:
    vectors_of(NamedModel("m", LengthModel()), [FIRST], tmp_path)
    other = LengthModel(name="other weights")
    vectors_of(NamedModel("m", other), [FIRST], tmp_path)
    assert other.encoded == ["a", "bb"]
    changed = LengthModel()
    vectors_of(NamedModel("m", changed), [Texts("first", ("ab", "b"))], tmp_path)
    assert changed.encoded == ["ab", "b"], "the same characters, but not the same texts"


def test_a_model_that_returns_something_else_leaves_no_file(tmp_path: Path) -> None:
    class Broken(LengthModel):
        def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.full((len(texts), 2), np.nan, dtype=np.float32)

    with pytest.raises(InputError, match="4 values not finite; expected one finite vector per"):
        vectors_of(NamedModel("m", Broken()), [FIRST], tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
