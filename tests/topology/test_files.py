"""Topologies on disk: round trip, and errors that name file, line, path and what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from brokerproof.topology.files import SCHEMA_FILE, TopologyError, digest, dumps, json_schema, load, loads
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.examples import examples
from tests.topology.strategies import options, patterns


@settings(max_examples=examples(40), deadline=None)
@given(pattern=patterns, chosen=options)
def test_what_is_written_is_read_back(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    again = loads(dumps(topology), source="t.yaml")
    assert again == topology
    assert digest(again) == digest(topology)


@cache
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


def said(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        loads(text, source="t.yaml")
    return str(caught.value).splitlines()


def multi() -> str:
    return dumps(PATTERNS["privatelink_multi_nlb"].build(None))


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (multi, "vpc_id: vpc-b\n", "vpc_idd: vpc-b\n", "vpc_idd: unknown key; is vpc_id meant?"),
        (multi, "broker_id: 2", "broker_id: two", "brokers[1].broker_id: input should be a valid integer"),
        (
            multi,
            "- subnet_id: subnet-b-1\n",
            "- subnet_id: subnet-b-9\n",
            "no subnets entry has subnet_id 'subnet-b-1'",
        ),
        (multi, "cidr_block: 10.0.0.0/20", "cidr_block: 10.99.0.0/20", "10.99.0.0/20 is not inside vpc-cluster's"),
        (single, "cidr_block: 10.0.0.0/20", "cidr_block: 10.99.0.0/20", "10.99.0.0/20 is not inside vpc-cluster's"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value))[:24],
)
def test_what_follows_from_an_error_is_no_error_of_its_own(
    text: Callable[[], str], old: str, new: str, words: str
) -> None:
    assert old in text(), "the case no longer fits the builder's output"
    lines = said(text().replace(old, new, 1))
    assert len(lines) == 1, lines
    assert words in lines[0]


def test_an_id_that_nothing_has_is_one_error_with_all_its_places() -> None:
    [line] = said(multi().replace("  vpc_id: vpc-cluster\n  cidr_block", "  vpc_id: vpc-x\n  cidr_block"))
    assert "no vpcs entry has vpc_id 'vpc-x'; there are: vpc-b, vpc-cluster, " in line
    assert line.endswith("; subnets[1].vpc_id, subnets[2].vpc_id refer to it too")


def test_independent_errors_are_all_listed() -> None:
    text = multi().replace("cidr_block: 10.0.0.0/20", "cidr_block: 10.99.0.0/20").replace("port: 9094", "port: 9095", 1)
    assert len(said(text)) > 1


STRINGS = {
    "vpc_id: vpc-b": "vpc_id: is not an id, such as vpc-0abc: letters, digits and . _ : / @ -",
    "name: account_b": "name: is not the name of a client: lower-case letters",
    "cluster_name: demo": "cluster_name: is not the name of a cluster",
    "endpoint: b-1": "endpoint: is not a DNS name: labels of letters",
}


@pytest.mark.parametrize(("old", "words"), STRINGS.items())
def test_what_a_string_may_be_is_said_in_words(old: str, words: str) -> None:
    key = old.partition(":")[0]
    text, places = re.subn(rf"\b{re.escape(old)}.*", f"{key}: not so!", multi(), count=1)
    assert places == 1, "the case no longer fits the builder's output"
    [line, *_] = said(text)
    assert words in line
    assert line.endswith("; found 'not so!'")


def test_no_pattern_reaches_the_user() -> None:
    """Every string with a pattern refuses in words, so that none says it as pydantic would."""
    from brokerproof.topology import models  # noqa: PLC0415

    for model in vars(models).values():
        if isinstance(model, type) and issubclass(model, BaseModel):
            core = json.dumps(model.__pydantic_core_schema__, default=str)
            assert '"pattern": "^' not in core, model
