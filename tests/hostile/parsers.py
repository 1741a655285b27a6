"""What reads bytes of others, one function each: it takes any input, and anything but its own exceptions is a defect.

Fuzzed with guidance by :mod:`tests.hostile.guided`, by seeds in every test run, and with each input that once failed.
"""

from __future__ import annotations

import copy
import importlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import trustme
from botocore.exceptions import BotoCoreError
from kio.schema.errors import ErrorCode

from brokerproof.aws.answers.hook import Account, Operation, UnlikeApiError
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.text import lines_of, sarif
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.discovery.reader import DiscoveryError
from brokerproof.aws.intent.files import IntentError, dumps_intent, loads_intent
from brokerproof.probes.outcome import Target
from brokerproof.probes.outcome.foreign_text import encode_json, ours
from brokerproof.probes.outcome.lines import Closing, Outcome, Started, encode_line
from brokerproof.probes.outcome.stages import Role, Stage, Status
from brokerproof.probes.wire import certificates, dns_message
from brokerproof.probes.wire.kafka_connection import _decode
from brokerproof.probes.wire.stream import BrokenStreamError
from brokerproof.running.account import InProcess
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.tail import Tail
from brokerproof.wording import printable
from tests.hostile.mutations import ATTACKS
from tests.hostile.printed import raw_characters
from tests.probes.fake_kafka import api_versions, described, encode, metadata
from tests.probes.running import plan

INPUTS = Path(__file__).with_name("inputs")
"""Inputs that once failed, in a folder a parser."""


@dataclass(frozen=True)
class Parser:
    """One that reads: what it is given, and examples of what it is given in peace."""

    read: Callable[[bytes], None]
    """Raises AssertionError, or whatever else, where something is wrong."""
    examples: Callable[[], list[bytes]]
    most_bytes: int = 4096


def _printable(*texts: str) -> None:
    for text in texts:
        assert not raw_characters(text), f"raw characters in {text!r}"


# DNS answers.

_NAME: Final = "b-1.fuzz.test"


@cache
def _query() -> dns.message.Message:
    return dns.message.make_query(_NAME + ".", dns.rdatatype.A, id=1, use_edns=0)


def _dns(data: bytes) -> None:
    asked = dns_message.question(_NAME, dns.rdatatype.A)
    with suppress(dns_message.DnsFailureError):
        answer = ours(dns_message.read(asked, asked.wire[:2] + data))
        if isinstance(answer, dns_message.Answer):
            _printable(answer.rcode, answer.soa, *answer.cname_chain, *answer.addresses)


def _dns_examples() -> list[bytes]:
    def answer(*records: tuple[str, str, str]) -> bytes:
        made = dns.message.make_response(_query())
        for name, kind, value in records:
            made.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
        return made.to_wire()[2:]

    nothing = dns.message.make_response(_query())
    nothing.set_rcode(dns.rcode.NXDOMAIN)
    nothing.authority.append(dns.rrset.from_text("fuzz.test.", 60, "IN", "SOA", "ns. h. 1 2 3 4 5"))
    return [
        answer((_NAME + ".", "A", "10.0.0.1")),
        answer((_NAME + ".", "CNAME", "x.fuzz.test."), ("x.fuzz.test.", "A", "10.0.0.2")),
        nothing.to_wire()[2:],
    ]


# Kafka frames.

_RESPONSES: Final = (
    ("api_versions", 0, "ApiVersionsResponse"),
    ("metadata", 4, "MetadataResponse"),
    ("describe_configs", 1, "DescribeConfigsResponse"),
    ("metadata", 8, "MetadataResponse"),
    ("init_producer_id", 0, "InitProducerIdResponse"),
    ("end_txn", 0, "EndTxnResponse"),
    ("leave_group", 1, "LeaveGroupResponse"),
    ("create_topics", 2, "CreateTopicsResponse"),
    ("delete_topics", 1, "DeleteTopicsResponse"),
    ("find_coordinator", 1, "FindCoordinatorResponse"),
    ("describe_groups", 4, "DescribeGroupsResponse"),
    ("delete_groups", 1, "DeleteGroupsResponse"),
    ("list_offsets", 1, "ListOffsetsResponse"),
    ("sasl_handshake", 1, "SaslHandshakeResponse"),
    ("sasl_authenticate", 1, "SaslAuthenticateResponse"),
)


@cache
def _response(index: int) -> Any:
    name, version, response = _RESPONSES[index]
    return getattr(importlib.import_module(f"kio.schema.{name}.v{version}"), response)


def _frames(data: bytes) -> None:
    """The first byte says of which API the rest is a response."""
    if data:
        with suppress(BrokenStreamError):
            _decode(data[1:], _response(data[0] % len(_RESPONSES)))


def _frame_examples() -> list[bytes]:
    made = (
        api_versions(),
        metadata((1, "b-1.fuzz.test", 9092), (2, "b-2", 9092)),
        described(ErrorCode.none, "", "listeners"),
    )
    return [bytes([index]) + encode(each) for index, each in enumerate(made)]


# Certificates.


def _certificate(data: bytes) -> None:
    said = ours(certificates.described(data))
    certificates.names_match(data, "b-1.fuzz.test")
    _printable(*said.dns_names, *said.unreadable)


def _certificate_examples() -> list[bytes]:
    leaf = trustme.CA().issue_cert("b-1.fuzz.test", "10.0.0.1", common_name="fuzz")
    return [ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())]


# Lines of a vantage.

_PLAN: Final = plan(9)


def _vantage_lines(data: bytes) -> None:
    conversation = Conversation(_PLAN, said=Tail())
    for line in data.split(b"\n"):
        conversation.hear(line)
    run = conversation.result()
    _printable(run.error, run.said, *(each.detail for each in run.outcomes))
    assert not raw_characters(encode_json(run.outcomes).decode())


def _line_examples() -> list[bytes]:
    target = Target(role=Role.BROKER, name=_PLAN.brokers[0].name)
    outcome = Outcome(stage=Stage.RESOLVE, target=target, status=Status.OK, started_ns=1, duration_ns=1)
    started = Started(plan_id=_PLAN.plan_id, client="c", probe_version="1", host="h", python="3")
    closing = Closing(plan_id=_PLAN.plan_id, outcomes=1, complete=True, duration_ns=2)
    return [b"".join([encode_line(started), encode_line(outcome), encode_line(closing)])]


# Files.


def _topology(data: bytes) -> None:
    with suppress(UnicodeDecodeError):
        text = data.decode()
        try:
            made = loads(text, source="file")
        except TopologyError:
            return
        assert loads(dumps(made), source="again") == made


def _intent(data: bytes) -> None:
    with suppress(UnicodeDecodeError):
        text = data.decode()
        try:
            made = loads_intent(text, source="file")
        except IntentError:
            return
        assert loads_intent(dumps_intent(made), source="again") == made


def _topology_examples() -> list[bytes]:
    return [dumps(PATTERNS[name].build()).encode() for name in ("in_vpc", "privatelink_multi_nlb")]


def _intent_examples() -> list[bytes]:
    return [dumps_intent(intent_of(PATTERNS["peering"].build())).encode()]


# Answers of AWS.


class _Draw:
    """Choices by bytes, so that who guides the bytes guides the choices; zero behind their end."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def below(self, most: int) -> int:
        return (next(self._bytes, 0) << 8 | next(self._bytes, 0)) % most


_NUMBERS: Final = (0, -1, 1, 65_535, 65_536, 1 << 31, 1 << 63)


class _Mutating(Account):
    """Answers as the account does, some of them changed within what the API could say."""

    def __init__(self, data: bytes) -> None:
        topology = _account_topology()
        super().__init__(lambda: topology)
        self._draw = _Draw(data)

    def answer(self, account: str, region: str, operation: Operation, params: Any) -> Any:
        right = super().answer(account, region, operation, params)
        return self._changed(copy.deepcopy(right)) if self._draw.below(4) == 1 else right

    def _changed(self, answer: Any) -> Any:
        places = list(_places(answer))
        for _ in range(1 + self._draw.below(3)):
            if places:
                self._change(*places[self._draw.below(len(places))])
        return answer

    def _change(self, holder: Any, key: Any) -> None:
        with suppress(KeyError, IndexError):
            value = holder[key]
            match self._draw.below(3), value:
                case 0, _:
                    del holder[key]
                case _, bool():
                    holder[key] = not value
                case _, int():
                    holder[key] = _NUMBERS[self._draw.below(len(_NUMBERS))]
                case _, str():
                    attacks = ("", *(each.decode(errors="replace") for each in ATTACKS))
                    holder[key] = attacks[self._draw.below(len(attacks))]
                case _, list():
                    holder[key] = value * self._draw.below(3)
                case _:
                    pass


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@cache
def _account_topology() -> Any:
    return PATTERNS["privatelink_multi_nlb"].build()


@cache
def _sessions() -> InProcess:
    return InProcess()


def _aws(data: bytes) -> None:
    sessions = _sessions()
    sessions.account = _Mutating(data)
    try:
        facts = discover(intent_of(_account_topology()), sessions, at_once=1)
    except (DiscoveryError, UnlikeApiError, BotoCoreError):
        return
    _printable(dumps(facts.topology))
    found = audit(facts)
    _printable(*map(printable, lines_of(found, traces=True)))
    assert not raw_characters(encode_json(sarif(found, "here")).decode())


PARSERS: dict[str, Parser] = {
    "dns_answers": Parser(_dns, _dns_examples),
    "kafka_frames": Parser(_frames, _frame_examples),
    "certificates": Parser(_certificate, _certificate_examples),
    "vantage_lines": Parser(_vantage_lines, _line_examples),
    "topology_yaml": Parser(_topology, _topology_examples, most_bytes=20_000),
    "intent_yaml": Parser(_intent, _intent_examples),
    "aws_answers": Parser(_aws, lambda: [bytes([0, 1, 0, 0] * 50), Random(1).randbytes(400)], most_bytes=1000),
}


def kept(name: str) -> list[bytes]:
    """Inputs of a parser that once failed."""
    folder = INPUTS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
