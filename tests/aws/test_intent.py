"""Intent files: ten lines for one client, and errors with their lines as a topology's."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.aws.intent.files import IntentError, is_intent, load_intent, loads_intent
from brokerproof.aws.intent.models import Whereabouts
from brokerproof.topology.documents import _composed
from brokerproof.topology.files import dumps, load
from brokerproof.topology.patterns import PATTERNS

TEN_LINES = """\
version: 1
clusters:
  - arn:aws:kafka:us-east-1:111111111111:cluster/demo/0123abcd-2
accounts:
  - {id: "222222222222", role_arn: "arn:aws:iam::222222222222:role/brokerproof", external_id: why}
clients:
  - name: app
    at: i-0abc
    account: "222222222222"
    pattern: privatelink_multi_nlb
"""


def test_ten_lines_are_enough() -> None:
    intent = loads_intent(TEN_LINES, source="intent.yaml")
    assert len(TEN_LINES.splitlines()) == 10
    assert intent.clients[0].at == "i-0abc"


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("eni-0abc", Whereabouts.INTERFACE),
        ("subnet-0abc", Whereabouts.SUBNET),
        ("vpc-0abc", Whereabouts.VPC),
        ("node/i-0abc", Whereabouts.NODE),
        ("node/ip-10-1-0-5.us-west-2.compute.internal", Whereabouts.NODE),
    ],
)
def test_a_client_may_be_named_by_more_than_its_instance(at: str, kind: Whereabouts) -> None:
    intent = loads_intent(TEN_LINES.replace("i-0abc", at, 1), source="intent.yaml")
    assert intent.clients[0].whereabouts is kind


def problem(text: str) -> str:
    with pytest.raises(IntentError) as caught:
        loads_intent(text, source="intent.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("pattern: privatelink_multi_nlb", "pattern: tunnel", "intent.yaml:10: clients[0].pattern: expected one of"),
        ("at: i-0abc", "at: host-1", "intent.yaml:8: clients[0].at: is not where a client is"),
        ("at: i-0abc", "at: node/host", "intent.yaml:8: clients[0].at: is not where a client is"),
        ("    at: i-0abc\n", "", "intent.yaml:7: clients[0].at: is required"),
        ("name: app", "naem: app", "intent.yaml:7: clients[0].naem: unknown key; is name meant?"),
        ("cluster/demo/0123abcd-2", "topic/demo", "intent.yaml:3: clusters[0]: is not the ARN of an MSK cluster"),
        ('"222222222222"\n', "222\n", "intent.yaml:9: clients[0].account"),
        ("iam::222222222222", "iam::333333333333", "intent.yaml:5: accounts[0].role_arn: is a role of 333333333333"),
        ('role_arn: "arn:aws:iam::222222222222:role/brokerproof", ', "", "accounts[0].external_id: belongs to a role"),
        ("version: 1", "version: 2", "intent.yaml:1: version"),
    ],
)
def test_an_error_names_its_line(old: str, new: str, line: str) -> None:
    assert old in TEN_LINES
    assert line in problem(TEN_LINES.replace(old, new, 1))


def test_what_is_no_mapping_is_said() -> None:
    assert problem("- 1") == (
        "intent.yaml: an intent is a mapping with version, clusters, accounts and clients; found CommentedSeq"
    )


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(IntentError, match="cannot be read"):
        load_intent(tmp_path / "none.yaml")


def test_an_intent_is_told_from_a_topology(tmp_path: Path) -> None:
    intent, topology = tmp_path / "intent.yaml", tmp_path / "topology.yaml"
    intent.write_text(TEN_LINES)
    topology.write_text(dumps(PATTERNS["in_vpc"].build()))
    assert is_intent(intent)
    assert not is_intent(topology)
    assert not is_intent(tmp_path / "none.yaml")


def test_a_topology_that_was_asked_whether_it_is_an_intent_is_not_parsed_again(tmp_path: Path) -> None:
    path = tmp_path / "topology.yaml"
    path.write_text(dumps(PATTERNS["in_vpc"].build()).replace("version: 1", "version: 1  # parsed here first"))
    assert not is_intent(path)
    parsed = _composed.cache_info().misses
    load(path)
    assert _composed.cache_info().misses == parsed
