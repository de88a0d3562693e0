"""One client's connection: how long it may be silent, and a line for what it is refused."""

import asyncio
from datetime import datetime

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ondol.serve.access_log import logger


class Connection(H11Protocol):
    """uvicorn's connection on h11, which bounds the head of a request to 64 KiB; httptools does
    not. uvicorn itself closes only a connection that is silent after a response: one that never
    sends a head, or sends it a byte at a time ("slow loris"), would stay for ever, and so would the
    response to a client that does not read it.

    Here a connection without a request has `timeout_keep_alive` seconds for the whole head of the
    next one, and a client that has read nothing of a response for as long is cut off.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread = 0  # bytes of a response that the client had not taken yet, at the last deadline

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._working and not self.flow.write_paused:
            self._stop_deadline()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_deadline()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._working:
            self._stop_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._working:  # a pipelined request may have followed at once
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._log(400)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # a response has begun already: a second one would be taken for its rest
            self.transport.close()

    @property
    def _working(self) -> bool:
        """Whether a request's head has come whose response is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._unread = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._pass_deadline)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _pass_deadline(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if 0 < unread < self._unread:  # slow, but it reads
            self._start_deadline()
            return
        if self.conn.trailing_data[0]:
            self._log(408)
        # Not close(), which waits until the client has read what is unread.
        self.transport.abort()

    def _log(self, status: int) -> None:
        """Of a request that has no method and path, as its head is wrong or did not come."""
        client, _ = self.client or ("-", 0)
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        logger.info("%s %s - - %d", now, client, status)
