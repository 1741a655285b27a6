"""The one table of bounds: how much of what a peer says is read, followed and told. Plain numbers, no logic.

Each is far above what any MSK cluster, load balancer or resolver has, and so low that no peer can keep the probe busy
or fill its host. Where one is met, the reason is ``too_much``, except where the words say that something is cut.
"""

from __future__ import annotations

from typing import Final

# Read of one answer.

DNS_RECORDS: Final = 512
"""In one DNS answer, of all kinds."""
DNS_IGNORED_PACKETS: Final = 1000
"""UDP packets that answer another question, before the question is given up."""
NAME_ADDRESSES: Final = 64
"""Addresses of one name: a Network Load Balancer has one a zone, a broker one or a few."""
KAFKA_FRAME_BYTES: Final = 1 << 20
"""One Kafka response. Metadata of a topic with 10,000 partitions has half of that."""
KAFKA_ELEMENTS: Final = 20_000
"""In one Kafka response: brokers, topics, partitions, settings and their synonyms, counted together."""
HANDSHAKE_BYTES: Final = 1 << 20
"""Of one TLS handshake."""
CHAIN_CERTIFICATES: Final = 32
"""In one chain; what follows is cut."""
SCRAM_ITERATIONS: Final = 65_536
"""A peer decides how long we compute; MSK's own are 4,096, and Kafka sets no more than 16,384."""
CLIENT_MESSAGE_BYTES: Final = 4 << 20
"""One response that the Kafka client takes (``receive.message.max.bytes``), where no load is measured."""

# Of a process with a Kafka client; more is refused by the kernel.

CLIENT_MEMORY_BYTES: Final = 168 << 20
"""Data, as the kernel counts it. With code and libraries, about 25 MiB, a process stays below 200 MB."""
CLIENT_LOAD_MEMORY_BYTES: Final = 1 << 30
"""The same where a load is measured, or clients live on: librdkafka's own queues may have a few hundred MiB there."""
CLIENT_STACK_BYTES: Final = 192 << 10
"""One thread of librdkafka, two or three a broker. musl gives every thread 128 KiB, and librdkafka runs there."""
PYTHON_STACK_BYTES: Final = 1 << 20
"""One thread of Python in such a process."""

# Followed in one run.

BROKERS: Final = 250
"""Of one cluster: listed in one Metadata response, and advertised in all of a run. MSK allows 60."""
PARTITIONS: Final = 10_000
"""Of a topic that was there before."""
ADDRESSES: Final = 1000
"""Of all names of a run together."""

# Told in one outcome.

TEXT_CHARACTERS: Final = 4096
"""One text that stands alone; the rest is cut, and the text says so."""
LISTED_CHARACTERS: Final = 512
"""One text in a list; likewise."""
ITEMS: Final = 256
"""One list; the rest is cut."""
OUTCOME_CHARACTERS: Final = 150_000
"""All texts of one outcome; the rest is cut. So its line stays below what a vantage takes."""
LINE_BYTES: Final = 1 << 20
"""One line of the probe; a vantage cuts a longer one and ends the process."""
