"""Notes of an audit: what no path fails for now. They are no findings, and change no verdict."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.aws.answers.certificates import ENDS
from brokerproof.aws.answers.hook import Manners, denied
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Note, NoteKind
from brokerproof.aws.facts import facts_of
from brokerproof.cli.main import main
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.running.account import said_by_file
from brokerproof.topology.files import dumps
from brokerproof.topology.models import Listener, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.aws.accounts import discovered

ROUTED = PATTERNS["peering"].build()
SHARED = PATTERNS["privatelink_single_nlb"].build()


def of(kind: NoteKind, notes: tuple[Note, ...]) -> list[str]:
    return [f"{note.what} {note.says}" for note in notes if note.kind is kind]


def with_listeners(topology: Topology, count: int) -> Topology:
    balancer, *others = topology.load_balancers
    first = balancer.listeners[0]
    listeners = tuple(
        Listener(port=20_000 + n, protocol=first.protocol, target_group_name=first.target_group_name)
        for n in range(count)
    )
    more = balancer.model_copy(update={"listeners": listeners})
    return topology.model_copy(update={"load_balancers": (more, *others)})


def test_a_quota_is_said_before_it_is_used_up() -> None:
    name = SHARED.load_balancers[0].load_balancer_name
    few, many = (audit(facts_of(with_listeners(SHARED, count))).notes for count in (39, 40))
    assert of(NoteKind.QUOTA, few) == []
    assert of(NoteKind.QUOTA, many) == [
        f"load balancer {name} has 40 of 50 listeners (a default, which Service Quotas can raise)"
    ]


def test_small_brokers_take_few_logins_by_iam() -> None:
    facts = discovered(PATTERNS["in_vpc"].build(PatternOptions(authentication=AuthenticationScheme.IAM)))
    kinds = {"demo": "kafka.t3.small"}
    [said] = of(NoteKind.QUOTA, audit(facts.model_copy(update={"instance_types": kinds})).notes)
    assert "each of which takes 4 new connections by IAM a second" in said
    assert facts.instance_types["demo"].startswith("kafka.")
    plain = discovered(PATTERNS["in_vpc"].build()).model_copy(update={"instance_types": kinds})
    assert of(NoteKind.QUOTA, audit(plain).notes) == []


def test_vpcs_with_the_same_addresses_are_said() -> None:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    said = of(NoteKind.OVERLAP, audit(facts_of(topology)).notes)
    [alike] = said
    assert alike.startswith("vpc-cluster and vpc-o have 10.0.0.0/16 and 10.0.0.0/16 in common: no peering joins them")
    assert of(NoteKind.OVERLAP, audit(facts_of(ROUTED)).notes) == []


def test_a_request_that_nobody_accepted_expires() -> None:
    name = next(n for n in FAULTS if "pending" in n and "peering" in FAULTS[n].patterns)
    topology = FAULTS[name].edit(ROUTED)
    said = of(NoteKind.EXPIRING, audit(discovered(topology, intended=ROUTED)).notes)
    assert said
    assert all("is pending-acceptance, and expires at 2026-01-08 00:00 UTC" in each for each in said)
    assert of(NoteKind.EXPIRING, audit(discovered(ROUTED)).notes) == []


@pytest.mark.parametrize(("days", "said"), [(46, False), (44, True), (-1, True)])
def test_a_certificate_that_the_account_knows_ends(days: int, said: bool) -> None:
    balancer, *others = SHARED.load_balancers
    listeners = tuple(listener.model_copy(update={"protocol": "TLS"}) for listener in balancer.listeners[:1])
    encrypting = balancer.model_copy(update={"listeners": (*listeners, *balancer.listeners[1:])})
    by_listener = SHARED.model_copy(update={"load_balancers": (encrypting, *others)})
    by_clients = PATTERNS["in_vpc"].build(PatternOptions(authentication=AuthenticationScheme.MTLS))
    for topology, about in (
        (by_listener, f"is of listener {listeners[0].port} of {balancer.load_balancer_name}, and expires at"),
        (by_clients, "is the authority of the clients of demo, and expires at"),
    ):
        facts = discovered(topology, now=ENDS - timedelta(days=days))
        assert facts.gaps == ()
        told = of(NoteKind.EXPIRING, audit(facts).notes)
        assert len(told) == (1 if said else 0)
        assert all(about in each and each.endswith("2099-06-01 00:00 UTC") for each in told)


def test_what_may_not_be_read_of_a_certificate_is_a_gap_and_no_finding() -> None:
    topology = PATTERNS["in_vpc"].build(PatternOptions(authentication=AuthenticationScheme.MTLS))
    facts = discovered(topology, manners=Manners(refused=denied(("acm-pca", "DescribeCertificateAuthority"))))
    assert {gap.action for gap in facts.gaps} == {"acm-pca:DescribeCertificateAuthority"}
    assert audit(facts).findings == ()


def test_what_is_not_as_it_was_meant_is_drift() -> None:
    shown = as_seen(ROUTED)
    assert audit(discovered(ROUTED), ROUTED, shown=shown).notes == ()
    broken = FAULTS["route-missing-client"].edit(ROUTED)
    said = of(NoteKind.DRIFT, audit(discovered(broken, intended=ROUTED), ROUTED, shown=shown).notes)
    lost = "{destination_cidr_block: 10.0.0.0/16, vpc_peering_connection_id: pcx-cluster-b}"
    assert said[0].startswith(f"route_tables rtb-b-1 routes lacks {lost}")
    gone = ROUTED.model_copy(update={"network_acls": (), "security_groups": ROUTED.security_groups[:-1]})
    said = of(NoteKind.DRIFT, audit(facts_of(gone), shown=shown).notes)
    group = ROUTED.security_groups[-1].group_id
    assert f"security_groups {group} was meant, and is not in the account" in said
    said = of(NoteKind.DRIFT, audit(facts_of(as_seen(ROUTED)), shown=as_seen(gone)).notes)
    assert f"security_groups {group} is in the account, and was not meant" in said


def test_notes_are_shown_and_change_no_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(dumps(PATTERNS["privatelink_multi_nlb"].build()))
    shown = CliRunner().invoke(main, ["audit", str(path)])
    assert "NOTE  vpc-cluster and vpc-o have" in shown.stdout
    assert shown.exit_code == 0
    told = json.loads(CliRunner().invoke(main, ["audit", str(path), "--format", "sarif"]).stdout)
    assert {(r["ruleId"], r["level"]) for r in told["runs"][0]["results"]} == {("note.overlap", "note")}
    assert [rule["id"] for rule in told["runs"][0]["tool"]["driver"]["rules"]] == ["note.overlap"]


def test_a_run_of_a_file_says_what_the_file_itself_proves() -> None:
    assert list(said_by_file(ROUTED)) == []
    [said] = said_by_file(FAULTS["route-missing-client"].edit(ROUTED))
    assert said.startswith("by the file itself: The client subnet's route table has no route towards the brokers")
    assert "(route.missing_client)" in said
    assert list(said_by_file(ROUTED.model_copy(update={"route_tables": ()}))) == [], "a file need not state routes"
