"""Stage ``path_size``: up to which size packets pass, to the broker and back.

Where a path takes smaller packets than the hosts believe and no ICMP says so (PrivateLink: 8,500 bytes, no
path MTU discovery), small requests work and large ones vanish. So requests grow on one connection, each in a
segment of its own, and after them one small one. All are sent at once: a broker answers in order, so the first that is
not answered is the first that did not pass. When all have passed, a last request has an answer of many segments.

An answer that does not come says nothing of sizes: a broker on a busy host is late. What vanished shows in TCP: the
large segment is sent again and never acknowledged, while the small one behind it is; or segments come of which no byte
can be read. Without that the answer is waited for.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from kio.schema.describe_configs.v1 import DescribeConfigsRequest, DescribeConfigsResponse

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import PathSizeFacts, Reason, TcpInfo
from brokerproof.probes.stages.identity import ADVERTISED_LISTENERS, identity_request
from brokerproof.probes.wire.kafka_connection import KafkaConnection, frame_bytes
from brokerproof.probes.wire.stream import BrokenStreamError

PACKET_BYTES: Final = (1280, 1400, 1500, 8500, 9001)
"""Packets as large as a path may take at most: IPv6 everywhere (RFC 8200, 5), tunnels, Ethernet and peering between
Regions, transit gateways and PrivateLink, a VPC (EC2 user guide, "Network MTU")."""

PATIENCE: Final = 5
"""How many deadlines an answer may take while TCP shows nothing that vanished."""
LOOKS: Final = 10
"""How often in a deadline TCP is looked at once the first one is over."""

_TCP_BYTES: Final = 20
_TIMESTAMPS_BYTES: Final = 12
"""RFC 7323, 3.2, padded; Linux sends them unless told not to."""
_IP_BYTES: Final = {socket.AF_INET: 20, socket.AF_INET6: 40}


async def measure_path_size(connection: KafkaConnection, broker_id: int, *, limit_ms: int) -> Observation:
    """Send requests of growing size, then ask for a large answer.

    Args:
        connection: Verified, its versions known, and used by nobody else: where a packet does not pass,
            nothing after it does either.
        broker_id: Who answered there.
        limit_ms: Deadline for everything where something vanished; else :data:`PATIENCE` times as long.
    """
    ladder = _Ladder(connection, broker_id)
    climbing = asyncio.ensure_future(ladder.climb())
    waited_ms = 0
    try:
        while not climbing.done() and waited_ms < PATIENCE * limit_ms and not (waited_ms and ladder.lost):
            step_ms = max(1, limit_ms // LOOKS) if waited_ms else limit_ms
            waited_ms += step_ms
            await asyncio.wait({climbing}, timeout=step_ms / 1000)
        if not climbing.done():
            return failed(Reason.TIMED_OUT, f"{ladder.stopped_at} within {waited_ms} ms", ladder.facts())
        climbing.result()
    except BrokenStreamError as failure:
        return failed(failure.reason, f"{ladder.stopped_at}: {failure.detail}", ladder.facts())
    finally:
        climbing.cancel()
    return ok(ladder.facts())


class _Ladder:
    """One connection's packets, the smallest first."""

    def __init__(self, connection: KafkaConnection, broker_id: int) -> None:
        self._connection = connection
        self._broker_id = broker_id
        self._header_bytes = _IP_BYTES[connection.family] + _TCP_BYTES + _TIMESTAMPS_BYTES
        self._rungs: tuple[int, ...] = ()
        self._answers: list[int] = []
        """Sizes of the answers that came: one a rung, that of the small request, then the large one."""
        self._begun = False
        self._before = connection.tcp_info()
        """As the requests under way found the connection."""

    async def climb(self) -> None:
        """Everything, up to the first that is not answered.

        Raises:
            BrokenStreamError: as :meth:`KafkaConnection.call`.
        """
        # Tells what TLS adds, and that the connection carries anything at all.
        await self._connection.call(identity_request(self._broker_id), DescribeConfigsResponse)
        self._begun = True
        self._before = self._connection.tcp_info()
        self._rungs = tuple(_rungs(self._before, self._header_bytes))
        requests = [self._padded(packet_bytes) for packet_bytes in self._rungs]
        await self._connection.call_apart((*requests, identity_request(self._broker_id)), self._answers.append)
        self._before = self._connection.tcp_info()
        everything = identity_request(self._broker_id, None)
        await self._connection.call_apart((everything,), self._answers.append)

    @property
    def lost(self) -> bool:
        """Whether TCP shows that something vanished: it is not waited for."""
        tcp = self._connection.tcp_info()
        sent_again, unreadable = vanished(self._before, tcp)
        return (sent_again > 0 and tcp is not None and tcp.unacknowledged_segments > 0) or unreadable > 0

    @property
    def stopped_at(self) -> str:
        """What was not answered, in words."""
        if not self._begun:
            return "no answer on a connection of its own"
        if len(self._answers) < len(self._rungs):
            return f"no answer to a packet of {self._rungs[len(self._answers)]:,} bytes"
        if len(self._answers) == len(self._rungs):
            return "no answer to a small request behind large ones"
        return f"no answer of more than {self._full_bytes():,} bytes"

    def facts(self) -> PathSizeFacts:
        """What passed so far."""
        answered = len(self._answers)
        passed = self._rungs[: min(answered, len(self._rungs))]
        stopped = self._rungs[answered] if self._begun and answered < len(self._rungs) else None
        asked = self._begun and answered > len(self._rungs)
        large = self._answers[-1] if answered > len(self._rungs) + 1 else None
        tcp = self._connection.tcp_info()
        sent_again, unreadable = vanished(self._before, tcp)
        return PathSizeFacts(
            to_broker_passed_bytes=max(passed, default=0),
            to_broker_stopped_bytes=stopped,
            to_client_passed_bytes=self._packet_bytes(max(self._answers, default=0)),
            to_client_stopped_bytes=self._full_bytes() if asked and large is None else None,
            answer_bytes=large,
            sent_again_segments=sent_again,
            unreadable_segments=unreadable,
            tcp=tcp,
        )

    def _padded(self, packet_bytes: int) -> DescribeConfigsRequest:
        """A request that fills a packet: it asks for a setting of a very long name, which no broker has."""
        frame = packet_bytes - self._header_bytes - self._connection.overhead_bytes
        unpadded = frame_bytes(identity_request(self._broker_id, (ADVERTISED_LISTENERS, "")))
        return identity_request(self._broker_id, (ADVERTISED_LISTENERS, "x" * max(0, frame - unpadded)))

    def _full_bytes(self) -> int:
        """The largest packet the broker may send: this host told it so."""
        tcp = self._connection.tcp_info()
        mss = 0 if tcp is None else tcp.advertised_mss_bytes
        return mss + self._header_bytes if mss else max(self._rungs)

    def _packet_bytes(self, answer_bytes: int) -> int:
        """The largest packet of an answer: as large as the kernel saw one, where it says so."""
        whole = answer_bytes + self._connection.overhead_bytes + self._header_bytes if answer_bytes else 0
        tcp = self._connection.tcp_info()
        return min(whole, tcp.rcv_mss_bytes + self._header_bytes) if tcp is not None and tcp.rcv_mss_bytes else whole


def vanished(before: TcpInfo | None, now: TcpInfo | None) -> tuple[int, int]:
    """What TCP shows of requests and answers that did not pass, between two looks at one connection.

    Returns:
        How many segments were sent again; and how many came of which nothing can be read, for want of one before them.
    """
    if before is None or now is None:
        return 0, 0
    sent_again = now.retransmitted_segments - before.retransmitted_segments
    if None in {before.data_segments_in, now.data_segments_in, before.bytes_in_order, now.bytes_in_order}:
        return sent_again, 0
    came = (now.data_segments_in or 0) - (before.data_segments_in or 0)
    return sent_again, came if now.bytes_in_order == before.bytes_in_order else 0


def _rungs(tcp: TcpInfo | None, header_bytes: int) -> list[int]:
    """Sizes of packets that this host sends as one: the last is as large as it sends any, up to that of a VPC."""
    if tcp is None or not tcp.snd_mss_bytes:
        return list(PACKET_BYTES[:3])
    full = tcp.snd_mss_bytes + header_bytes
    return sorted({*(size for size in PACKET_BYTES if size < full), min(full, PACKET_BYTES[-1])})
