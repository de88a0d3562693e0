"""How long work says what it begins."""

from collections.abc import Callable

#: Called with what begins, in words.
ReportStage = Callable[[str], None]
