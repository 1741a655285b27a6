"""Peers that make the Kafka client eat memory: the kernel refuses it, and what becomes of that is an outcome.

That no process had more than 200 MiB is held of every run (:func:`tests.hostile.served.judged`).
"""

from __future__ import annotations

import dataclasses
import struct
import subprocess
import sys
from typing import Any

from brokerproof.probes.kafka_client.client_process import _ended
from brokerproof.probes.kafka_client.fork_server import NO_MEMORY, Exit
from brokerproof.probes.kafka_client.serving import broke
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.probes.outcome.bounds import BROKERS, CLIENT_MEMORY_BYTES, CLIENT_STACK_BYTES
from brokerproof.probes.plan import Limits
from tests.hostile.served import ROOT
from tests.hostile.test_listed_kafka import ANY, Hostile, changed, one, probed
from tests.probes.fake_cluster import FETCH

ZSTD_BLOCK_BYTES = 1 << 17
RECORD_BYTES = 3 << 20
"""Less than the client takes in one message."""
BATCHES = 300
HUNGRY = """
from brokerproof.probes.kafka_client.memory import bound_memory, bound_stacks
def take(mib):
    try:
        bytearray(mib << 20)
        print("given")
    except MemoryError:
        print("refused")
bound_stacks()
bound_memory(168 << 20)
take(200)
bound_memory(1 << 30)
take(200)
take(1100)
"""
LIMITS = Limits(request_ms=3000, produce_ms=3000, consume_ms=3000, group_ms=3000, plan_ms=8000)


def batches_of(count: int, record_bytes: int) -> bytes:
    """Batches of one record of zeros, each packed by Zstandard to a twenty-thousandth (RFC 8878)."""
    return b"".join(_batch(offset, record_bytes) for offset in range(count))


def _batch(offset: int, record_bytes: int) -> bytes:
    value_bytes = record_bytes // ZSTD_BLOCK_BYTES * ZSTD_BLOCK_BYTES
    # Attributes, both deltas, no key, and the value's length; behind the value no headers, which is a zero as well.
    begin = b"\0\0\0\1" + _varint(value_bytes)
    begin = _varint(len(begin) + value_bytes + 1) + begin
    known_size_in_one, raw_block, run_of_one_byte = 0xE0, 0, 1
    blocks = [(raw_block, len(begin), begin), *[(run_of_one_byte, ZSTD_BLOCK_BYTES, b"\0")] * (value_bytes >> 17)]
    blocks.append((run_of_one_byte, 1, b"\0"))
    packed = struct.pack("<IBQ", 0xFD2FB528, known_size_in_one, len(begin) + value_bytes + 1)
    for number, (kind, size, content) in enumerate(blocks):
        is_last = number == len(blocks) - 1
        packed += (is_last | kind << 1 | size << 3).to_bytes(3, "little") + content
    zstd, records = 4, 1
    behind_crc = struct.pack(">hiqqqhii", zstd, records - 1, 0, 0, -1, -1, -1, records) + packed
    return struct.pack(">qiibI", offset, 9 + len(behind_crc), 0, 2, 0) + behind_crc


def _varint(number: int) -> bytes:
    """As in a record: zigzag, seven bits a byte."""
    left, made = number << 1, b""
    while left > 0x7F:
        made += bytes([left & 0x7F | 0x80])
        left >>= 7
    return made + bytes([left])


def fetched(records: bytes) -> Hostile:
    """Every Fetch response has these records."""

    def change(body: Any) -> Any:
        topics = tuple(
            dataclasses.replace(
                topic,
                partitions=tuple(
                    dataclasses.replace(each, records=records, high_watermark=BATCHES, last_stable_offset=BATCHES)
                    for each in topic.partitions
                ),
            )
            for topic in body.responses
        )
        return dataclasses.replace(body, responses=topics)

    return changed(FETCH, ANY, change)


def test_records_that_unpack_to_more_than_there_is_are_an_outcome() -> None:
    """Without a limit the client has 900 MiB for them."""
    result, _ = probed(fetched(batches_of(BATCHES, RECORD_BYTES)), limits=LIMITS)
    consume = one(result, Stage.CONSUME)
    assert (consume.status, consume.reason) == (Status.FAILED, Reason.CLIENT_DIED)
    assert f"of memory; it may have {CLIENT_MEMORY_BYTES >> 20} MiB of data" in consume.detail


def test_a_client_of_as_many_brokers_as_are_followed_has_memory_enough() -> None:
    """Two clients with a thread for each broker; a client of 60 brokers needs 8 MiB beside its stacks."""
    stacks = 2 * BROKERS * CLIENT_STACK_BYTES
    assert stacks + (8 << 20) * BROKERS // 60 + (27 << 20) < CLIENT_MEMORY_BYTES


def test_python_that_is_refused_memory_is_an_outcome_of_the_path() -> None:
    assert broke(Stage.CONSUME, MemoryError()).reason is Reason.TOO_MUCH
    ended = _ended(Exit(NO_MEMORY, 0), "")
    assert ended.by_itself
    assert "168 MiB" in ended.words


def test_a_process_is_refused_more_than_it_may_have() -> None:
    """Also after a load was measured, which raises the limit: up to the load's own."""
    said = subprocess.run([sys.executable, "-c", HUNGRY], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["refused", "given", "refused"]
