"""Whatever a topology file holds in any string: it is refused, or ends no line and no quote of what is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from brokerproof.lab.daemons.kafka_config import properties_text
from brokerproof.lab.daemons.nameserver import configuration
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import Blueprint, compile_topology
from brokerproof.topology.files import TopologyError, dumps, json_schema, loads
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.picture.draw import picture
from brokerproof.topology.rules import problems
from tests.examples import ALL, examples

Place = tuple[str | int, ...]


def whole() -> dict[str, Any]:
    """A topology in which every free string has a value."""
    made = PATTERNS["combination"].build(PatternOptions(brokers=1, dual_stack=True)).model_dump(mode="json")
    cluster, client = made["clusters"][0], made["clients"][0]
    cluster["server_properties"] = {"log.retention.ms": "1000"}
    cluster["kafka_acls"] = [{"resource_name": "orders", "principal": "User:orders", "host": "10.0.0.9"}]
    cluster["server_certificate"] = {"dns_names": ["*.certificate.example"]}
    cluster["cluster_policy_principals"] = ["222222222222"]
    client["vantage"] = {"kind": "exec", "command": ["enter", "there"], "environment": {"VARIABLE": "its value"}}
    client["existing_topic"] = "existing"
    zone = next(z for z in made["hosted_zones"] if z["record_sets"])
    for record_type, value in (("A", "10.9.9.9"), ("AAAA", "fd00:9::9"), ("CNAME", "elsewhere.example.com.")):
        name = f"{record_type.lower()}.{zone['name']}"
        zone["record_sets"].append({"name": name, "type": record_type, "resource_records": [value]})
    made["resolver_rules"] = [
        {
            "resolver_rule_id": "rslvr-rr-1",
            "domain_name": "ruled.example.com",
            "target_ips": ["10.0.0.77"],
            "vpc_ids": [made["vpcs"][0]["vpc_id"]],
        }
    ]
    subnet_id = made["subnets"][0]["subnet_id"]
    made["lab"]["name_servers"] = [{"address": "10.0.0.77", "subnet_id": subnet_id}]
    made["security_groups"][0]["ingress"][0]["description"] = "what it is for"
    return made


def strings(value: Any, place: Place = ()) -> Iterator[tuple[Place, bool]]:
    """The place of every string, and whether it is a key."""
    match value:
        case str():
            yield place, False
        case dict():
            for key, below in value.items():
                yield from strings(below, (*place, key))
                if place[-1:] in {("server_properties",), ("environment",)}:
                    yield (*place, key), True
        case list():
            for index, below in enumerate(value):
                yield from strings(below, (*place, index))


def at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value


def replaced(value: Any, old: str, new: str) -> Any:
    """The same with every such string another: a name and what refers to it."""
    match value:
        case str():
            return new if value == old else value
        case dict():
            return {key: replaced(below, old, new) for key, below in value.items()}
        case list():
            return [replaced(below, old, new) for below in value]
        case _:
            return value


WHOLE = whole()
PLACES = sorted(
    {
        (tuple(part for part in place if isinstance(part, str)), is_key): (place, is_key)
        for place, is_key in strings(WHOLE)
    }.values(),
    key=repr,
)
"""One of each field: the same field of another resource is checked by the same type."""

KNOWN = [
    '"\n  include: "/etc/passwd"',
    '%"\n  include: "/etc/passwd"',
    "%eth0\nroute flush table all",
    '1; }; flush ruleset; add table ip x { comment "',
    "\nlog.dirs=/etc",
    "\\u000alog.dirs=/etc\\",
    "/../../../etc/x",
    '"]; <script>alert(1)</script> \\N',
]
hostile = st.one_of(
    st.text(alphabet=st.sampled_from("a1.\"'\\\n\r\t {};:#=!<>&$`%*/-,\x00\x1b\x85\u2028\u202e\ud800é"), max_size=12),
    st.text(max_size=8),
)


def made_of(document: dict[str, Any]) -> tuple[Topology, Blueprint] | None:
    """What is built of a document; None where it is refused."""
    try:
        topology = Topology.model_validate(document)
        return None if problems(topology) else (topology, compile_topology(topology))
    except (ValidationError, LabError):
        return None


RESOLVER_LINE = re.compile(r'(server|forward-zone):|  [a-z0-9-]+: ([^"\\]+|"[^"\\]*"( static| transparent)?)')
QUOTED_IN_RULES = re.compile(r'"[a-z0-9]+\*?"')


def read_properties(text: str) -> dict[str, str]:
    """As java.util.Properties does (its own documentation, load)."""
    found = {}
    for line in text.split("\n")[:-1]:
        parts = re.fullmatch(r"((?:[^\\=: ]|\\.)+)=((?:[^\\]|\\.)*)", line)
        assert parts, line
        found[unescaped(parts[1])] = unescaped(parts[2])
    return found


def unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}.get(match[2], match[2])

    units = re.sub(r"\\(?:u([0-9a-f]{4})|(.))", one, text)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def check(topology: Topology, blueprint: Blueprint) -> None:
    for resolver in blueprint.resolvers:
        for line in resolver.configuration.split("\n")[:-1]:
            assert RESOLVER_LINE.fullmatch(line), line
            assert line.isprintable(), line
    for broker in blueprint.brokers:
        assert read_properties(properties_text(broker.properties)) == dict(broker.properties)
    for namespace in blueprint.namespaces:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", namespace.name), namespace.name
        for line in (*namespace.ip_lines, *namespace.routing):
            assert re.fullmatch(r"[a-z0-9 .:/-]+", line), line
        for line in namespace.ruleset.split("\n"):
            assert line.isprintable(), line
            assert re.fullmatch(r"[a-zA-Z0-9_ .:,;/{}\[\]!=<>*-]*", QUOTED_IN_RULES.sub("", line)), line
        assert namespace.ruleset.count("{") == namespace.ruleset.count("}")
    drawn = picture(topology).dot
    assert all(line.isprintable() for line in drawn.replace("\t", "").split("\n"))
    assert set(re.findall(r"</?([A-Za-z!]+)", drawn)) <= {"TABLE", "TR", "TD", "B", "BR", "FONT"}


def test_the_whole_topology_is_built() -> None:
    """Otherwise all that follows would be refused for a reason of its own."""
    made = made_of(WHOLE)
    assert made is not None
    check(*made)
    assert len(PLACES) > 80
    assert any(place[-1] == "VARIABLE" and key for place, key in PLACES)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(KNOWN)), ids=lambda number: KNOWN[number])
def test_known_attacks_in_any_string_are_refused_or_harmless(number: int) -> None:
    """Each attack stands in each place: behind what is there or instead of it by turns, both where all are tried."""
    for place, where in enumerate(PLACES):
        for added in (True, False) if ALL else ((place + number) % 2 == 0,):
            put(where, KNOWN[number], added=added)


@settings(max_examples=examples(150))
@given(where=st.sampled_from(PLACES), words=hostile, added=st.booleans())
def test_a_string_anywhere_is_refused_or_harmless(where: tuple[Place, bool], words: str, added: bool) -> None:
    put(where, words, added=added)


def put(where: tuple[Place, bool], words: str, *, added: bool) -> None:
    """Put the words in the place, and check what is made of it where it is not refused."""
    place, is_key = where
    old = str(place[-1]) if is_key else at(WHOLE, place)
    new = old + words if added else words
    if is_key:
        document = replaced(WHOLE, "", "")
        holder = at(document, place[:-1])
        holder[new] = holder.pop(old)
    else:
        document = replaced(WHOLE, old, new)
    made = made_of(document)
    if made is not None:
        check(*made)


INJECTED = '10.0.0.1"\n  include: "/etc/passwd'


@pytest.mark.parametrize(
    ("record_type", "value", "words"),
    [
        ("A", INJECTED, "is a control or format character"),
        ("A", '10.0.0.1" include:', "is not an IPv4 address, which a record of type A holds"),
        ("A", "fd00::1", "is not an IPv4 address"),
        ("AAAA", "10.0.0.1", "is not an IPv6 address"),
        ("AAAA", 'fd00::1%" x', "is not an IPv6 address"),
        ("CNAME", 'a.example.com." x', "is not a DNS name"),
    ],
)
def test_a_record_holds_what_its_type_says(record_type: str, value: str, words: str) -> None:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    zone = topology.hosted_zones[0]
    wrong = zone.record_sets[0].model_copy(
        update={"type": record_type, "alias_target": None, "resource_records": (value,)}
    )
    zones = (zone.model_copy(update={"record_sets": (wrong,)}), *topology.hosted_zones[1:])
    text = dumps(topology.model_copy(update={"hosted_zones": zones}))
    with pytest.raises(
        TopologyError, match=rf"hosted_zones\[0\]\.record_sets\[0\]\.resource_records.*{words}"
    ) as caught:
        loads(text, source="t.yaml")
    assert "Value error" not in str(caught.value)
    assert "value error" not in str(caught.value)


def test_an_address_has_no_scope() -> None:
    """Python's IPv6Address takes anything behind the %; it would be a line of `ip -batch`, run as root."""
    text = dumps(PATTERNS["in_vpc"].build(PatternOptions(brokers=1, dual_stack=True)))
    address = re.search(r"ipv6_address: (\S+)", text)
    assert address
    with pytest.raises(TopologyError, match="has a scope"):
        loads(text.replace(address[0], f'ipv6_address: "{address[1]}%eth0\\nlink delete eth0"'), source="t.yaml")


def test_the_writers_refuse_what_no_check_has_seen() -> None:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    zone = topology.hosted_zones[0]
    wrong = zone.record_sets[0].model_copy(update={"alias_target": None, "resource_records": (INJECTED,)})
    zones = (zone.model_copy(update={"record_sets": (wrong,)}),)
    vpc = topology.vpc(zone.vpc_ids[0])
    with pytest.raises(LabError, match="quotes, backslashes, control"):
        configuration(topology.model_copy(update={"hosted_zones": zones}), vpc, "10.0.0.2", {})
    with pytest.raises(LabError, match="control characters"):
        kernel._fed(["link set lo up\nlink delete eth0"])


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=4))
def test_properties_are_read_as_they_were_meant(properties: dict[str, str]) -> None:
    assert read_properties(properties_text(properties.items())) == properties


def test_no_field_of_the_model_is_any_string() -> None:
    """Each has a pattern, a format or a list of values in the schema; so a new one must choose."""
    schema = json.loads(json_schema())

    def loose(value: Any, place: str) -> Iterator[str]:
        if isinstance(value, dict):
            if value.get("type") == "string" and not {"pattern", "format", "enum", "const"} & set(value):
                yield place
            if value.get("type") == "object" and value.get("additionalProperties") and "propertyNames" not in value:
                yield f"{place} (keys)"
            for key, below in value.items():
                yield from loose(below, f"{place}.{key}")
        elif isinstance(value, list):
            for index, below in enumerate(value):
                yield from loose(below, f"{place}[{index}]")

    assert list(loose(schema, "")) == []
