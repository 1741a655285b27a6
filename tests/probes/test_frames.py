"""Lengths are checked before kio decodes: a hostile one would abort the process."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.api_versions.v0 import ApiVersionsResponse
from kio.schema.create_topics.v2 import CreateTopicsResponse
from kio.schema.delete_groups.v1 import DeleteGroupsResponse
from kio.schema.delete_topics.v1 import DeleteTopicsResponse
from kio.schema.describe_configs.v1 import DescribeConfigsResponse
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v1 import FindCoordinatorResponse
from kio.schema.list_offsets.v1 import ListOffsetsResponse
from kio.schema.metadata.v4 import MetadataResponse
from kio.serial import entity_reader

from brokerproof.probes.wire.frames import BadLengthError, check_lengths
from tests.probes.fake_kafka import api_versions, described, encode, metadata

RESPONSES = [
    ApiVersionsResponse,
    CreateTopicsResponse,
    DeleteGroupsResponse,
    DeleteTopicsResponse,
    DescribeConfigsResponse,
    FindCoordinatorResponse,
    ListOffsetsResponse,
    MetadataResponse,
]
GOOD = [
    api_versions(),
    metadata((1, "b-1", 9094), (2, "b-2", 9094)),
    described(ErrorCode.none, "", "CLIENT://b-1:9092"),
    described(ErrorCode.invalid_request, None),
]


@pytest.mark.parametrize("entity", GOOD)
def test_what_kio_writes_passes(entity: object) -> None:
    check_lengths(type(entity), encode(entity))


@pytest.mark.parametrize("entity", GOOD)
def test_every_cut_and_every_extra_byte_is_noticed(entity: object) -> None:
    body = encode(entity)
    for end in range(len(body)):
        with pytest.raises(BadLengthError):
            check_lengths(type(entity), body[:end])
    with pytest.raises(BadLengthError):
        check_lengths(type(entity), body + b"\x00")


@pytest.mark.parametrize(
    ("response", "before"),
    [
        (ApiVersionsResponse, 2),
        (CreateTopicsResponse, 4),
        (DeleteGroupsResponse, 4),
        (DeleteTopicsResponse, 4),
        (DescribeConfigsResponse, 4),
        (ListOffsetsResponse, 0),
        (MetadataResponse, 4),
    ],
)
def test_an_array_of_two_thousand_million_is_refused(response: type, before: int) -> None:
    with pytest.raises(BadLengthError, match="an array of 2147483647 elements"):
        check_lengths(response, bytes(before) + struct.pack(">i", 2**31 - 1) + bytes(100))


LENGTHS = st.sampled_from([struct.pack(">i", length) for length in (0, 1, 2, -1, 2**31 - 1, -(2**31))])
BODIES = st.lists(st.one_of(st.binary(max_size=12), LENGTHS), max_size=12).map(b"".join)


@given(st.sampled_from(RESPONSES), BODIES)
def test_what_passes_can_be_given_to_kio(response: type, body: bytes) -> None:
    """Whatever the bytes: refused here, decoded, or an ordinary exception there, never an abort."""
    try:
        check_lengths(response, body)
    except BadLengthError:
        return
    with suppress(Exception):  # kio's own exceptions are many; an abort is what must not be
        entity_reader(response)(body, 0)
