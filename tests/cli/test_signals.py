"""Signals become exceptions, at once or as soon as they are not lost."""

import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ondol.cli.signals import Terminated, signals_raise

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]


def wait_for_it() -> None:
    """Longer than anything that a signal waits for here."""
    time.sleep(60)


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_a_signal_is_raised_at_once(number: signal.Signals, kind: type[BaseException]) -> None:
    before = signal.getsignal(number)
    with pytest.raises(kind) as caught, signals_raise():
        signal.raise_signal(number)
    assert caught.type is kind
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_in_an_import_it_waits_for_the_end(
    number: signal.Signals, kind: type[BaseException], tmp_path: Path, monkeypatch: Any
) -> None:
    source = f"import signal\nsignal.raise_signal({int(number)})\ndone = True\n"
    (tmp_path / "gets_a_signal.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))

    def load() -> None:
        importlib.import_module("gets_a_signal")
        wait_for_it()

    with pytest.raises(kind), signals_raise():
        load()
    assert sys.modules.pop("gets_a_signal").done


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_where_python_ignores_exceptions_it_is_raised_again(
    number: signal.Signals, kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def finalize() -> None:
        Finalized()
        wait_for_it()

    with pytest.raises(kind), signals_raise():
        finalize()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("number", "kind"), SIGNALS)
def test_an_error_that_other_code_makes_of_it_is_the_signal(
    number: signal.Signals, kind: type[BaseException]
) -> None:
    def extension() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ValueError("cannot read the weights") from None

    with pytest.raises(kind) as caught, signals_raise():
        extension()
    assert caught.type is kind


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="other"), signals_raise():
        raise ValueError("other")


def test_what_was_to_be_ignored_is_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals_raise():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def enter() -> None:
        with signals_raise():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
