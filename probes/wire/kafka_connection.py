"""Kafka requests and responses over one stream: framing, headers, correlation, versions.

kio encodes and decodes; this module owns the frame and judges it, because the peer may be
anything. It has no deadlines and never retries.
"""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast

from kio.serial import entity_reader, entity_writer

from brokerproof.probes.outcome import Reason, TcpInfo
from brokerproof.probes.outcome.bounds import KAFKA_FRAME_BYTES
from brokerproof.probes.wire.client_id import CLIENT_ID
from brokerproof.probes.wire.frames import BadLengthError, TooMuchError, check_lengths
from brokerproof.probes.wire.stream import KEPT_BYTES, BrokenStreamError, Stream, first_bytes, provoke
from brokerproof.probes.wire.tcp_info import read_tcp_info

LARGEST_MESSAGE_BYTES: Final = 100 << 20
"""What Kafka's own clients take at most (socket.request.max.bytes); a longer frame is no frame, but something in
letters."""
_PREFIX_BYTES: Final = 4
_CORRELATION_BYTES: Final = 4
_TLS_ALERT: Final = b"\x15\x03"
"""What a TLS listener says to a plaintext client (RFC 8446, 5.1)."""

R = TypeVar("R")


class KafkaConnection:
    """One connection to one broker, one request at a time.

    ``versions`` maps an API key to the lowest and highest version the broker offers; it is empty
    until the stage ``api`` filled it.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = b""
        self._heard = b""
        self._correlation_id = 0
        self._sent_ahead: Any = None
        """A request whose response is the next to come."""
        self._one_at_a_time = asyncio.Lock()
        self.versions: dict[int, tuple[int, int]] = {}
        self.usable = True
        self.overhead_bytes = 0
        """What TLS added to the last request."""

    def offers(self, request: Any) -> bool:
        """True where the broker understands this request at its version."""
        lowest, highest = self._offer(request)
        return lowest <= int(request.__version__) <= highest

    async def call(self, request: Any, response_type: type[R], *, then: Any = None) -> R:
        """Send one request, a kio entity, and read its response.

        Args:
            request: What to ask.
            response_type: Of its response.
            then: What is called next. Where the broker offers it, it is sent together with ``request``, and that call
                reads its response.

        Raises:
            BrokenStreamError: the peer does not offer the request's version, ended the
                conversation, or answers what is not Kafka. The connection is of no further use,
                except after ``unsupported_version``.
        """
        (response,) = await self.call_in_order((request, response_type), then=then)
        return cast(R, response)

    async def call_in_order(self, *asked: tuple[Any, type[Any]], then: Any = None) -> list[Any]:
        """Send several requests at once and read their responses: a broker takes them one after another.

        Raises:
            BrokenStreamError: as :meth:`call`.
        """
        requests = [request for request, _ in asked]
        bodies = await self._converse(requests, apart=False, on_answer=_unheard, then=then)
        try:
            return [_decode(body, response_type) for body, (_, response_type) in zip(bodies, asked, strict=True)]
        except BrokenStreamError:
            self.usable = False
            raise

    async def call_apart(self, requests: Sequence[Any], on_answer: Callable[[int], None]) -> None:
        """Send several requests at once, each in segments of its own, and look at nothing but the answers' sizes.

        Args:
            requests: kio entities.
            on_answer: Called with the size of each response, its length prefix included, as it comes.

        Raises:
            BrokenStreamError: as :meth:`call`.
        """
        await self._converse(requests, apart=True, on_answer=on_answer)

    async def _converse(
        self, requests: Sequence[Any], *, apart: bool, on_answer: Callable[[int], None], then: Any = None
    ) -> list[bytes]:
        """The responses' bodies."""
        for request in requests:
            self._require(request)
        async with self._one_at_a_time:
            if not self.usable:
                raise BrokenStreamError(Reason.CLOSED, "the connection broke earlier")
            # Cancelled or broken half-way, request and response would no longer pair up.
            self.usable = False
            sent, self._sent_ahead = self._sent_ahead, None
            if sent is None:
                first = self._correlation_id + 1
                if then is not None and self.offers(then):
                    self._sent_ahead = then
                await self._send([*requests, *([self._sent_ahead] if self._sent_ahead else [])], apart=apart)
            elif [sent] == requests:
                first = self._correlation_id
            else:
                raise BrokenStreamError(Reason.CLOSED, "another response comes next")
            bodies = []
            for number in range(first, first + len(requests)):
                payload = await self._receive_frame()
                bodies.append(_body(payload, number))
                on_answer(_PREFIX_BYTES + len(payload))
            self.usable = True
            return bodies

    async def _send(self, requests: Sequence[Any], *, apart: bool) -> None:
        first = self._correlation_id + 1
        self._correlation_id += len(requests)
        frames = [_encode(request, number) for number, request in enumerate(requests, first)]
        for data in frames if apart else [b"".join(frames)]:
            self.overhead_bytes = await self._stream.send(data) - len(data)

    def _offer(self, request: Any) -> tuple[int, int]:
        """Lowest and highest version the broker offers of this request; the highest is below where it has none."""
        version = int(request.__version__)
        # Nothing known yet: only ApiVersions itself is asked then.
        return self.versions.get(int(request.__api_key__), (0, -1)) if self.versions else (version, version)

    def _require(self, request: Any) -> None:
        if not self.offers(request):
            version, (lowest, highest) = int(request.__version__), self._offer(request)
            offer = f"{lowest}..{highest}" if highest >= 0 else "nothing of it"
            detail = f"{type(request).__name__} v{version} is needed, the broker offers {offer}"
            raise BrokenStreamError(Reason.UNSUPPORTED_VERSION, detail)

    async def until_it_ends(self) -> None:
        """Say nothing and wait for the peer to end the connection, which a broker does after a long silence.

        Raises:
            BrokenStreamError: always: with how it ended, or because the peer said something unasked.
        """
        async with self._one_at_a_time:
            said = await self._stream.receive_some()
            self.usable = False
            raise BrokenStreamError(Reason.NOT_KAFKA, f"the peer speaks unasked; it says {said[:32]!r}")

    @property
    def first_bytes(self) -> str:
        """The beginning of what the peer said, printable; empty where it said nothing."""
        return first_bytes(self._heard)

    async def provoke(self) -> None:
        """Have a silent peer whose TCP took the request say what it is; the connection is of no further use."""
        tcp = self.tcp_info()
        if not self._heard and (tcp is None or not tcp.unacknowledged_segments):
            self._heard = await provoke(self._stream)

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return self._stream.sock.family

    def tcp_info(self) -> TcpInfo | None:
        """The connection as the kernel sees it now."""
        return read_tcp_info(self._stream.sock)

    def close(self) -> None:
        """Close the socket."""
        self.usable = False
        self._stream.close()

    async def _receive_frame(self) -> bytes:
        prefix = await self._receive_exactly(_PREFIX_BYTES)
        (length,) = struct.unpack(">i", prefix)
        if KAFKA_FRAME_BYTES < length <= LARGEST_MESSAGE_BYTES:
            words = f"a response of {length} bytes; {KAFKA_FRAME_BYTES} are read at most"
            raise BrokenStreamError(Reason.TOO_MUCH, words)
        if not _CORRELATION_BYTES <= length <= LARGEST_MESSAGE_BYTES:
            said = (prefix + self._buffer)[:32]
            words = "a TLS alert: this port wants TLS" if said.startswith(_TLS_ALERT) else repr(said)
            raise BrokenStreamError(Reason.NOT_KAFKA, f"no Kafka frame; the peer says {words}")
        return await self._receive_exactly(length)

    async def _receive_exactly(self, count: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < count:
            data = await self._stream.receive_some()
            self._heard += data[: max(0, KEPT_BYTES - len(self._heard))]
            parts.append(data)
            have += len(data)
        data = b"".join(parts)
        self._buffer = data[count:]
        return data[:count]


def frame_bytes(request: Any) -> int:
    """How large a request is, its length prefix included."""
    return len(_encode(request, 0))


def _unheard(_answer_bytes: int) -> None:
    """Nobody asked."""


def _encode(request: Any, correlation_id: int) -> bytes:
    header_type = request.__header_schema__
    header = header_type(
        request_api_key=request.__api_key__,
        request_api_version=request.__version__,
        correlation_id=correlation_id,
        client_id=CLIENT_ID,
    )
    buffer = io.BytesIO()
    entity_writer(header_type)(buffer, header)
    entity_writer(type(request))(buffer, request)
    payload = buffer.getvalue()
    return struct.pack(">i", len(payload)) + payload


def _body(frame: bytes, correlation_id: int) -> bytes:
    echoed = int.from_bytes(frame[:_CORRELATION_BYTES], "big", signed=True)
    if echoed != correlation_id:
        detail = f"correlation id {echoed} where {correlation_id} was asked; the peer says {frame[:32]!r}"
        raise BrokenStreamError(Reason.NOT_KAFKA, detail)
    return frame[_CORRELATION_BYTES:]


def _decode(body: bytes, response_type: type[R]) -> R:
    try:
        check_lengths(response_type, body)
        response: R = entity_reader(response_type)(body, 0)[0]  # type: ignore[type-var]  # a kio entity
    except TooMuchError as failure:
        raise BrokenStreamError(Reason.TOO_MUCH, f"{response_type.__name__}: {failure}") from failure
    except (BadLengthError, ValueError) as failure:
        raise BrokenStreamError(Reason.NOT_KAFKA, f"unreadable {response_type.__name__}: {failure}") from failure
    except Exception as failure:
        # kio's native reader has its own exceptions, not all of them documented.
        words = f"{type(failure).__name__}: {failure}"
        raise BrokenStreamError(Reason.NOT_KAFKA, f"unreadable {response_type.__name__}: {words}") from failure
    return response
