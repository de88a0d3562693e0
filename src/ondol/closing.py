"""What has a close() can be used in a `with` statement."""

from types import TracebackType
from typing import Self


class Closing:
    """Calls close() at the end of a `with` block, however that ends."""

    def close(self) -> None:
        """Free what is held. Calling it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
