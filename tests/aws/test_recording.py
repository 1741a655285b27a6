"""Recordings: what is discovered from one is the account, with nothing in it of whose it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Lock

import pytest

from brokerproof.aws.answers.hook import Account, Manners, denied
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.discovery.reader import DiscoveryError, Place
from brokerproof.aws.discovery.recording import ANSWERS, INTENT, Recorded, Recorder
from brokerproof.aws.discovery.scrub import Scrubber
from brokerproof.aws.facts import AccountFacts
from brokerproof.lab.faults import FAULTS
from brokerproof.running.account import InProcess
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.slow


class Heard:
    """Clients in process, each of which a recorder hears."""

    def __init__(self, recorder: Recorder, topology: Topology, manners: Manners | None) -> None:
        self._sessions = InProcess()
        self._sessions.account = Account(lambda: topology, manners)
        self._recorder = recorder
        self._heard: set[int] = set()
        self._lock = Lock()

    def client(self, place: Place, service: str) -> object:
        with self._lock:  # no call is made before the recorder hears it
            made = self._sessions.client(place, service)
            if id(made) not in self._heard:
                self._heard.add(id(made))
                self._recorder.listen(place, made)
        return made


def recorded(
    topology: Topology, folder: Path, *, intended: Topology | None = None, manners: Manners | None = None
) -> tuple[AccountFacts, AccountFacts]:
    """What was discovered, and what is discovered of its recording."""
    intent = intent_of(intended or topology)
    recorder = Recorder(intent)
    facts = discover(intent, Heard(recorder, topology, manners))
    recorder.write(folder)
    again = Recorded(folder)
    return facts, discover(again.intent, again)


def shape(topology: Topology) -> dict[str, int]:
    return {
        name: len(getattr(topology, name))
        for name in Topology.model_fields
        if isinstance(getattr(topology, name), tuple)
    }


def verdicts(found: Audit) -> list[tuple[str, int]]:
    return sorted((finding.code, len(finding.resources)) for finding in found.findings)


@pytest.mark.parametrize("pattern", ["combination", "multi_vpc", "privatelink_single_nlb"])
def test_a_recording_is_discovered_to_the_same_account(pattern: str, tmp_path: Path) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(dual_stack=pattern == "privatelink_single_nlb"))
    facts, again = recorded(topology, tmp_path, manners=Manners(page_size=3))
    assert shape(again.topology) == shape(facts.topology)
    assert again.gaps == ()
    traces, others = audit(facts).traces, audit(again).traces
    assert [(t.broker_id, t.port, t.state) for t in others] == [(t.broker_id, t.port, t.state) for t in traces]
    assert [[h.state for h in t.hops] for t in others] == [[h.state for h in t.hops] for t in traces]


@pytest.mark.parametrize("fault", ["route-missing-client", "broker-security-group-closed", "zone-not-associated"])
def test_a_fault_is_in_the_recording(fault: str, tmp_path: Path) -> None:
    pattern = "peering" if "peering" in FAULTS[fault].patterns else FAULTS[fault].patterns[0]
    intended = PATTERNS[pattern].build()
    facts, again = recorded(FAULTS[fault].edit(intended), tmp_path, intended=intended)
    assert verdicts(audit(again)) == verdicts(audit(facts))
    assert verdicts(audit(again)) != []


def test_a_refusal_is_recorded_as_one(tmp_path: Path) -> None:
    refused = Manners(refused=denied(("ec2", "DescribeNetworkAcls")))
    facts, again = recorded(PATTERNS["peering"].build(), tmp_path, manners=refused)
    assert [(g.action, g.why) for g in again.gaps] == [(g.action, g.why) for g in facts.gaps]


def test_nothing_of_whose_it_is_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By another key one address may stand for another that is there too.
    monkeypatch.setattr("brokerproof.aws.discovery.recording.secrets.token_bytes", bytes)
    topology = PATTERNS["combination"].build()
    recorded(topology, tmp_path)
    written = (tmp_path / ANSWERS).read_text() + (tmp_path / INTENT).read_text()
    mine = {v.vpc_id for v in topology.vpcs} | {v.owner_id for v in topology.vpcs}
    mine |= {str(c.private_ip_address) for c in topology.clients}
    mine |= {b.load_balancer_name for b in topology.load_balancers} | {"demo", "a1b2c3"}
    mine |= {s.subnet_id for s in topology.subnets} | {g.group_id for g in topology.security_groups}
    assert [word for word in mine if re.search(rf"(?<![A-Za-z0-9.]){re.escape(word)}(?![A-Za-z0-9.])", written)] == []
    assert "role/" not in (tmp_path / INTENT).read_text()


def test_what_is_not_read_is_not_kept() -> None:
    scrubber = Scrubber(b"key")
    answer = {
        "VpcId": "vpc-0abc1234",
        "UserData": "password",
        "KeyName": "mine",
        "Tags": [{"Key": "owner", "Value": "me"}],
        "ServerProperties": b"sasl.jaas.config=secret\ncustom.advertised.listeners=CLIENT://b-{broker_id}.x:1",
    }
    kept = scrubber.scrubbed(answer)
    assert set(kept) == {"VpcId", "Tags", "ServerProperties"}
    assert kept["Tags"] == []
    assert b"secret" not in kept["ServerProperties"]
    assert kept["VpcId"] != "vpc-0abc1234"


def test_addresses_keep_what_they_have_in_common() -> None:
    scrubber = Scrubber(b"some key")
    vpc, subnet, host = (scrubber.text(t) for t in ("10.37.0.0/16", "10.37.16.0/20", "10.37.16.5"))
    assert vpc.split(".")[:2] == subnet.split(".")[:2] == host.split(".")[:2]
    assert subnet.endswith(".16.0/20")
    assert host.endswith(".16.5")
    assert scrubber.text("0.0.0.0/0") == "0.0.0.0/0"
    assert scrubber.text("10.0.0.0/8") == "10.0.0.0/8"
    assert scrubber.text("ip-10-37-16-5.ec2.internal") == f"ip-{host.replace('.', '-')}.ec2.internal"


def test_a_folder_that_is_no_recording_is_said(tmp_path: Path) -> None:
    topology = PATTERNS["in_vpc"].build()
    recorded(topology, tmp_path)
    recorder = Recorder(intent_of(topology))
    with pytest.raises(DiscoveryError, match="holds a recording already"):
        recorder.write(tmp_path)
    (tmp_path / ANSWERS).write_text(json.dumps({"call": []}) + "\n")
    with pytest.raises(DiscoveryError, match=r"answers.jsonl:1: is no call as `discover --record` writes them"):
        Recorded(tmp_path)
