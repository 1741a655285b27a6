"""Bytes over one connected socket, in plaintext or through TLS, with every ending as a typed reason.

Nothing here knows Kafka, and nothing here has a deadline: callers bound every wait with
``asyncio.timeout``, and every read gives that its turn, however fast the peer sends. After an error a stream is of no
further use and is to be closed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from contextlib import suppress
from typing import Final

from OpenSSL import SSL

from brokerproof.probes.outcome import Reason

CHUNK_BYTES: Final = 65536
KEPT_BYTES: Final = 64
"""Of what a peer says first: enough to know a protocol by."""
_EMPTY_LINES: Final = b"\r\n\r\n"
TURN_S: Final = 0.002
"""The longest that reading one peer keeps the event loop to itself."""
PROVOKED_MS: Final = 400
"""How long an answer to an empty line is waited for."""

_REASONS: Final = {
    errno.ETIMEDOUT: Reason.TIMED_OUT,
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ECONNRESET: Reason.RESET,
    errno.EPIPE: Reason.RESET,
    errno.ECONNABORTED: Reason.RESET,
    errno.EHOSTUNREACH: Reason.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reason.HOST_UNREACHABLE,
    errno.ENETUNREACH: Reason.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Reason.NETWORK_UNREACHABLE,
}

_TIMED_OUT_OR_RESET: Final = frozenset({Reason.TIMED_OUT, Reason.RESET})


class Turns:
    """Gives the event loop its turn between reads of what is there already, so that deadlines fire by the clock.

    A read that need not wait does not: from a peer that sends faster than it is read, a loop of reads would never
    come to the loop's timers, nor to anybody else's work.
    """

    def __init__(self) -> None:
        self._since_s = time.monotonic()

    async def take(self) -> None:
        """Before each read."""
        if time.monotonic() - self._since_s >= TURN_S:
            await asyncio.sleep(0)
            self._since_s = time.monotonic()


def reason_of(failure: OSError) -> Reason:
    """The reason an errno stands for; ``socket_error`` where it stands for none."""
    return _REASONS.get(failure.errno or 0, Reason.SOCKET_ERROR)


def words_of(failure: OSError) -> str:
    """An errno by name and in words, e.g. ``ECONNREFUSED: Connection refused``."""
    name = errno.errorcode.get(failure.errno or 0, "")
    return f"{name}: {os.strerror(failure.errno or 0)}" if name else str(failure)


class BrokenStreamError(Exception):
    """The conversation ended before it was done.

    ``reason`` is one every conversation stage may give: timed_out, reset, closed, socket_error,
    and for Kafka conversations not_kafka and unsupported_version.
    """

    def __init__(self, reason: Reason, detail: str, *, alert: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.alert = alert
        """The TLS alert that the peer sent after the handshake, where its number was listened for."""


def _broken(failure: OSError) -> BrokenStreamError:
    reason = reason_of(failure)
    if reason not in _TIMED_OUT_OR_RESET:
        # On an established connection an ICMP error is neither refusal nor reset.
        reason = Reason.SOCKET_ERROR
    return BrokenStreamError(reason, words_of(failure))


class Stream:
    """One connected, non-blocking TCP socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._turns = Turns()

    async def send(self, data: bytes) -> int:
        """Send all of ``data``.

        Returns:
            How many bytes that were for TCP.

        Raises:
            BrokenStreamError: the peer reset the connection.
        """
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError as failure:
            raise _broken(failure) from failure
        return len(data)

    async def receive_some(self) -> bytes:
        """Whatever is there, at least one byte.

        Raises:
            BrokenStreamError: the peer closed or reset the connection.
        """
        await self._turns.take()
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, CHUNK_BYTES)
        except OSError as failure:
            raise _broken(failure) from failure
        if not data:
            raise BrokenStreamError(Reason.CLOSED, "the peer closed the connection")
        return data

    def close(self) -> None:
        """Close the socket; harmless when it is closed already."""
        self.sock.close()


class TlsStream(Stream):
    """The same socket after a finished handshake."""

    def __init__(self, sock: socket.socket, tls: SSL.Connection) -> None:
        super().__init__(sock)
        self._tls = tls

    async def send(self, data: bytes) -> int:
        """Encrypt and send all of ``data``."""
        self._tls.sendall(data)
        return await super().send(drain(self._tls))

    async def receive_some(self) -> bytes:
        """Decrypted bytes, at least one.

        Raises:
            BrokenStreamError: the peer ended the connection, cleanly or with an alert.
        """
        while True:
            try:
                return self._tls.recv(CHUNK_BYTES)
            except SSL.WantReadError:
                # TLS 1.3 may owe the peer something (a key update) even while reading.
                if owed := drain(self._tls):
                    await super().send(owed)
                self._tls.bio_write(await super().receive_some())
            except SSL.ZeroReturnError as closing:
                raise BrokenStreamError(Reason.CLOSED, "the peer closed the TLS connection") from closing
            except SSL.Error as failure:
                # An alert after the handshake, e.g. TLS 1.3 "certificate required".
                alert = getattr(self._tls.get_app_data(), "alert", None)
                raise BrokenStreamError(Reason.CLOSED, f"TLS: {openssl_words(failure)}", alert=alert) from failure


async def provoke(stream: Stream) -> bytes:
    """What a peer that was silent so far says to an empty line; empty where it says nothing to that either.

    Servers of protocols made of lines (HTTP, SMTP) wait for the end of a line, and then say who they are. A broker
    that is asked so takes it for a frame that is too long, and closes. The stream is of no further use.
    """
    with suppress(TimeoutError, BrokenStreamError):
        async with asyncio.timeout(PROVOKED_MS / 1000):
            await stream.send(_EMPTY_LINES)
            return await stream.receive_some()
    return b""


def first_bytes(data: bytes) -> str:
    """The beginning of what a peer said, in printable ASCII; what is not, is escaped as in Python's bytes."""
    return repr(data[:KEPT_BYTES])[2:-1]


def drain(tls: SSL.Connection) -> bytes:
    """Everything OpenSSL wants sent to the peer."""
    out = b""
    while True:
        try:
            out += tls.bio_read(CHUNK_BYTES)
        except SSL.WantReadError:
            return out


def openssl_reasons(failure: SSL.Error) -> tuple[str, ...]:
    """The reasons in OpenSSL's error queue, as its own table has them (ssl_err.c); pyOpenSSL hands out no numbers."""
    queue = failure.args[0] if failure.args else ()
    if not isinstance(queue, list | tuple):
        return ()
    return tuple(str(entry[-1]) for entry in queue if isinstance(entry, tuple) and entry and entry[-1])


def openssl_words(failure: SSL.Error) -> str:
    """The reasons in OpenSSL's error queue, or what else it says."""
    return "; ".join(openssl_reasons(failure)) or str(failure) or type(failure).__name__
