"""llama.cpp through llama-cpp-python: loaded once, quiet, with its error text at hand."""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

from ondol.errors import MissingDependencyError

# ggml/include/ggml.h, enum ggml_log_level (llama-cpp-python's own _logger.py has older numbers).
# CONT continues the line of the message before it.
_ERROR, _CONT = 4, 5

_local = threading.local()


def llama_library(purpose: str) -> Any:
    """The module `llama_cpp`, its backend initialised, its log routed to `captured_log`.

    purpose: what needs it, for the message: "Running GGUF variants".
    Raises MissingDependencyError if llama-cpp-python is not installed.
    """
    try:
        return _load()
    except ImportError as error:
        raise MissingDependencyError(purpose, "llama-cpp-python", "gguf") from error


class LlamaLog:
    """What llama.cpp said during one `captured_log` block: its errors, in order."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._keep = False

    def add(self, level: int, text: str) -> None:
        """Keep one log event; a CONT event goes where the event before it went."""
        if level != _CONT:
            self._keep = level == _ERROR
        if self._keep:
            self._parts.append(text)

    def __str__(self) -> str:
        """One line, for the end of an error message; "no reason given" if llama.cpp was silent."""
        lines = [line.strip() for line in "".join(self._parts).splitlines() if line.strip()]
        return "; ".join(lines) or "no reason given"


@contextlib.contextmanager
def captured_log() -> Iterator[LlamaLog]:
    """Collect what llama.cpp logs on this thread, instead of letting it reach standard error.

    llama.cpp has one log callback for the whole process (llama.h, llama_log_set), but calls it on
    the thread that does the work; so a thread-local collector keeps loads that run at the same
    time apart. The rest of the log goes where it went before ondol was imported.
    """
    outer = getattr(_local, "log", None)
    _local.log = log = LlamaLog()
    try:
        yield log
    finally:
        _local.log = outer


def uses_amx(library: Any) -> bool:
    """Whether llama.cpp would multiply with AMX, if weights were given to it in that form.

    Then they must not be (llama.h, use_extra_bufts): it configures the tiles of a thread once and
    believes that they stay so (ggml/src/ggml-cpu/amx/mmq.cpp, ggml_tile_config_init), but
    onnxruntime and torch configure them too. On a thread that has run one of them, the process
    ends with a segmentation fault (ggml-org/llama.cpp, issue 20824).
    """
    return b"AMX_INT8 = 1" in library.llama_print_system_info()


@contextlib.contextmanager
def _passive_waiting() -> Iterator[None]:
    """Let OpenMP threads sleep while they wait, unless the user decided otherwise.

    llama.cpp waits for its threads at every operation. GCC's libgomp spins there by default, so
    where another process has one of the cores, the spinning thread keeps its partner from running:
    a call of 12 ms took 1.6 s. libgomp reads OMP_WAIT_POLICY once, when it is loaded (libgomp
    manual, "OMP_WAIT_POLICY").
    """
    if "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        yield
    finally:
        del os.environ["OMP_WAIT_POLICY"]


@cache
def _load() -> Any:
    with _passive_waiting():
        import llama_cpp

    previous = llama_cpp.llama_log_callback()
    llama_cpp.llama_log_get(ctypes.byref(previous), ctypes.byref(ctypes.c_void_p()))

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def route(level: int, text: bytes, user_data: int | None) -> None:
        log: LlamaLog | None = getattr(_local, "log", None)
        if log is not None:
            log.add(level, text.decode("utf-8", "replace"))
        elif previous:
            previous(level, text, user_data)

    llama_cpp.llama_log_set(route, ctypes.c_void_p())
    llama_cpp.llama_backend_init()
    # ctypes callbacks die with their last reference; llama.cpp would then call freed memory.
    llama_cpp.ondol_log_route = route
    return llama_cpp
