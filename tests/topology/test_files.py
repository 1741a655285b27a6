"""Topologies on disk: round trip, and errors that name file, line, path and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from brokerproof.topology.files import SCHEMA_FILE, TopologyError, digest, dumps, json_schema, load, loads
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.topology.strategies import options, patterns


@settings(max_examples=40, deadline=None)
@given(pattern=patterns, chosen=options)
def test_what_is_written_is_read_back(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    again = loads(dumps(topology), source="t.yaml")
    assert again == topology
    assert digest(again) == digest(topology)


def single() -> str:
    return dumps(PATTERNS["privatelink_single_nlb"].build())


WRONG = [
    ("name: privatelink_single_nlb", "nam: x", "t.yaml:2: nam: unknown key"),
    ("version: 1", "version: 2", "t.yaml:1: version: input should be 1; found 2"),
    ("  - 10.0.0.0/16", "  - 10.0.0.0/99", "vpcs[0].cidr_blocks[0]"),
    (
        "vpc_id: vpc-cluster\n  cidr_block: 10.0.0.0/20",
        "vpc_id: vpc-x\n  cidr_block: 10.0.0.0/20",
        "no vpcs entry has vpc_id 'vpc-x'",
    ),
    ("cidr_block: 10.0.16.0/20", "cidr_block: 10.9.16.0/20", "is not inside vpc-cluster's 10.0.0.0/16"),
    ("cidr_block: 10.0.16.0/20", "cidr_block: 10.0.8.0/21", "overlaps subnet-cluster-1"),
    ("private_ip_address: 10.0.0.200", "private_ip_address: 10.0.0.10", "10.0.0.10 is already used in vpc-cluster"),
    ("private_ip_address: 10.0.0.200", "private_ip_address: 10.0.0.3", "10.0.0.3 is reserved by AWS"),
    ("- port: 8444", "- port: 8443", "port 8443 is already taken by listeners[0] of nlb-all (AWS: DuplicateListener)"),
    ("- port: 8444", "- port: 0", "greater than or equal to 1; found 0"),
    ("broker_id: 2", "broker_id: 1", "1 is already brokers[0]"),
    ("referenced_group_id: sg-brokers", "referenced_group_id: sg-none", "(AWS: InvalidGroup.NotFound)"),
    ("vpc_ids:\n  - vpc-b", "vpc_ids:\n  - vpc-o", "(AWS: ConflictingDomainExists)"),
    (
        "port: 8443\n    target_group_name: tg-all-b1",
        "port: 8443\n    target_group_name: tg-9",
        "no target_groups entry has target_group_name 'tg-9'",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), WRONG, ids=lambda v: str(v)[:30])
def test_a_wrong_file_is_named_with_its_place(old: str, new: str, words: str) -> None:
    text = single()
    assert old in text, "the case no longer fits the builder's output"
    with pytest.raises(TopologyError) as caught:
        loads(text.replace(old, new, 1), source="t.yaml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.yaml:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found nothing"),
        ("- 1\n- 2\n", "found CommentedSeq"),
        ("a: [", "t.yaml:1: not YAML"),
        ("name: x\nname: y\n", "not YAML: found duplicate key"),
        ("a: !!python/object/apply:os.system ['true']\n", "t.yaml"),
    ],
)
def test_what_is_no_topology_is_refused(text: str, words: str) -> None:
    with pytest.raises(TopologyError, match=r"t\.yaml") as caught:
        loads(text, source="t.yaml")
    assert words in str(caught.value)


def test_every_problem_is_listed_not_the_first_alone() -> None:
    text = single().replace("- port: 8444", "- port: 8443", 1).replace("broker_id: 2", "broker_id: 1", 1)
    with pytest.raises(TopologyError) as caught:
        loads(text, source="t.yaml")
    assert len(str(caught.value).splitlines()) == 2, str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TopologyError, match="is not UTF-8 text"):
        load(binary)


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema(), "run `make schema`"


SSH = 'kind: exec\n    command: [sudo, /usr/bin/ssh, client-host, "--"]'


def reached_by(vantage: str) -> str:
    text = dumps(PATTERNS["in_vpc"].build())
    return text.replace("  pattern: in_vpc\n", f"  pattern: in_vpc\n  vantage:\n    {vantage}\n", 1)


def test_a_command_that_goes_through_a_shell_must_say_so() -> None:
    with pytest.raises(TopologyError, match=r"clients.0.\.vantage: /usr/bin/ssh hands its .* far_shell: true"):
        loads(reached_by(SSH), source="t.yaml")


@pytest.mark.parametrize(
    ("vantage", "far_shell"),
    [
        (f"{SSH}\n    far_shell: true", True),
        (f"{SSH}\n    far_shell: false", False),
        ("kind: exec\n    command: [docker, exec, -i, box]", None),
    ],
)
def test_whether_there_is_a_shell_is_kept(vantage: str, far_shell: bool | None) -> None:
    topology = loads(reached_by(vantage), source="t.yaml")
    assert topology.clients[0].vantage.far_shell is far_shell
    assert loads(dumps(topology), source="again.yaml") == topology
