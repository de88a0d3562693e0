"""Processes at their limit of threads."""

import _thread
import threading
from queue import SimpleQueue

import pytest

from ondol.runtime import shield


def forget_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `shield` find no thread of earlier calls."""
    monkeypatch.setattr(shield, "_idle", [])
    monkeypatch.setattr(shield, "_jobs", SimpleQueue())


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread be had."""

    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    forget_threads(monkeypatch)
