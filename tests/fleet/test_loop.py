"""The whole loop by the command line: sets written, carried out, collected, and told as a local run is."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.intent.files import dumps_intent
from brokerproof.cli.fleet_session import boto3_session
from brokerproof.cli.main import main
from brokerproof.comparison.history import Trend, trend
from brokerproof.fleet.calls import CALLS, Who
from brokerproof.fleet.collect import behind_forwarder
from brokerproof.fleet.far.values import decode_result, encode
from brokerproof.fleet.hub import MachineHub, reached_by
from brokerproof.fleet.items import verification
from brokerproof.probes.outcome import HostFacts
from brokerproof.reports.document import ResultDocument, Run, decode_document
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.journal import Journal
from brokerproof.reports.merge import merge
from brokerproof.running.account import AccountInProcess
from brokerproof.running.site import Site
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import dumps
from brokerproof.topology.models import UNKNOWN, ClientVantage, Topology
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.aws import BUCKET, MACHINE, NOW, TOOK, FleetAws
from tests.fleet.probes import Bend, Functions, Scripted, dropped

WHOLE = PATTERNS["peering"].build()
HUB = MachineHub(MACHINE, BUCKET)
TOPOLOGY = reached_by((HUB,), WHOLE)
CLIENTS = tuple(client.name for client in TOPOLOGY.clients)
FIRST = CLIENTS[0]
REAL_SESSION = boto3_session


@cache
def text() -> str:
    """The file of the topology. Most tests take less time than it takes to write."""
    return dumps(TOPOLOGY)


class Fleet:
    """A hub in process, and the command line."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = FleetAws()
        self.functions = Functions(self.aws, Scripted(TOPOLOGY))
        self.folder = folder
        self.target = folder / "target.yaml"
        self.target.write_text(text(), encoding="utf-8")
        monkeypatch.chdir(folder)
        session = self.aws.session("operator")
        monkeypatch.setattr("brokerproof.cli.fleet_session.boto3_session", lambda _region: session)
        self._hub = ("--state-machine", MACHINE, "--bucket", BUCKET)

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["fleet", *words, *self._hub])

    def run(self, *words: str) -> Result:
        return self("run", str(self.target), "--run-dir", "out", *words)

    @property
    def document(self) -> ResultDocument:
        return decode_document((self.folder / "out/result.json").read_bytes())


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


def locally(folder: Path, bent: Bend, whole: Topology = TOPOLOGY) -> ResultDocument:
    """The same clients, seeing the same, by a run from here."""
    vantage = Scripted(whole, bent)
    run = Run(run_id="local", target="t", tool=describe_tool(), host=describe_host())
    topology = bare(whole)
    with (
        Journal.open(folder, run) as journal,
        Site(
            topology,
            lab=None,
            journal=journal,
            opened={client.name: vantage for client in topology.clients},
        ) as site,
    ):
        site.verify([client.name for client in whole.clients])
        journal.finish_run()
    return merge(folder)


def bare(topology: Topology) -> Topology:
    clients = tuple(client.model_copy(update={"vantage": ClientVantage()}) for client in topology.clients)
    return topology.model_copy(update={"clients": clients})


@pytest.mark.parametrize("bent", [lambda _, outcomes: outcomes, dropped(FIRST, 2)], ids=["well", "dropped"])
def test_a_fleets_document_is_a_local_runs(fleet: Fleet, tmp_path: Path, bent: Bend) -> None:
    fleet.functions.vantage.bent = bent
    result = fleet.run()
    here, there = locally(tmp_path / "local", bent), fleet.document
    assert tuple(msgspec.structs.replace(client, ran_as="") for client in there.clients) == here.clients
    assert all("the function's own subnets and security groups" in client.ran_as for client in there.clients)
    assert "Ran as" in (fleet.folder / "out/report.html").read_text(encoding="utf-8")
    assert there.diagnoses == here.diagnoses
    assert there.drawings == here.drawings
    assert there.complete
    assert result.exit_code == (0 if bent.__name__ == "<lambda>" else 1), result.output


def test_a_client_without_an_object_did_not_run_whatever_the_engine_says(fleet: Fleet) -> None:
    fleet.functions.dead = {FIRST}
    result = fleet.run()
    assert result.exit_code == 3, result.output
    assert f"did not run: {FIRST}" in result.output
    dead = next(client for client in fleet.document.clients if client.view.client == FIRST)
    assert dead.vantage_error.startswith("did not run: ")
    assert "cannot be assumed" in dead.vantage_error
    others = [client for client in fleet.document.clients if client.view.client != FIRST]
    assert others
    assert [client.vantage_error for client in others] == [""] * len(others)
    assert all(client.outcomes for client in others), [(c.view.client, len(c.outcomes)) for c in others]


def test_an_item_whose_object_is_gone_did_not_run_though_it_succeeded(fleet: Fleet) -> None:
    real = fleet.functions

    def forgetful(event: dict[str, object]) -> dict[str, object]:
        told = real(event)
        for key in [key for key in fleet.aws.objects if key.endswith(f"/{FIRST}.json") and "/runs/" in key]:
            del fleet.aws.objects[key]
        return told

    fleet.aws.function = forgetful
    assert fleet.run().exit_code == 3
    assert "did not run" in {client.view.client: client.vantage_error for client in fleet.document.clients}[FIRST]


def test_a_path_that_failed_is_told_before_a_client_that_did_not_run(fleet: Fleet) -> None:
    fleet.functions.hanging = {FIRST}
    fleet.functions.vantage.bent = dropped(CLIENTS[1], 1)
    result = fleet.run()
    assert result.exit_code == 1
    assert f"did not run: {FIRST}" in result.output
    assert "States.Timeout" in {c.view.client: c.vantage_error for c in fleet.document.clients}[FIRST]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (lambda _: b"{}", "cannot be read"),
        (lambda body: encode(msgspec.structs.replace(decode_result(body), plan_sha256="0")), "another plan"),
        (lambda body: encode(msgspec.structs.replace(decode_result(body), client="other")), "its object is of"),
        (
            lambda body: encode(
                msgspec.structs.replace(
                    decode_result(body),
                    said=msgspec.structs.replace(
                        decode_result(body).said, outcomes=decode_result(body).said.outcomes[:1] * 2
                    ),
                )
            ),
            "twice",
        ),
    ],
)
def test_an_object_is_not_trusted(fleet: Fleet, spoilt: object, words: str) -> None:
    real = fleet.functions

    def tampered(event: dict[str, object]) -> dict[str, object]:
        told = real(event)
        for key in [key for key in fleet.aws.objects if key.endswith(f"/{FIRST}.json") and "/runs/" in key]:
            fleet.aws.objects[key] = spoilt(fleet.aws.objects[key])  # type: ignore[operator]
        return told

    fleet.aws.function = tampered
    assert fleet.run().exit_code == 3
    assert words in {client.view.client: client.vantage_error for client in fleet.document.clients}[FIRST]


def test_a_run_that_was_started_is_told_by_status_and_collected_later(fleet: Fleet) -> None:
    fleet.functions.dead = {FIRST}
    started = fleet.run("--no-wait")
    name = started.output.split()[-1]
    assert started.exit_code == 0
    status = fleet("status", name)
    assert status.exit_code == 3
    assert f"{len(CLIENTS) - 1} of {len(CLIENTS)} clients answered; the execution is succeeded" in status.output
    assert fleet("collect", name, "--run-dir", "out").exit_code == 3
    assert fleet("collect", name, "--run-dir", "out").exit_code == 2  # a run's folder serves one


def test_a_scheduled_set_is_collected_by_its_newest_run(fleet: Fleet) -> None:
    published = fleet("publish", str(fleet.target), "hourly", "--at-once", "7")
    assert published.exit_code == 0, published.output
    given = json.loads(published.output[published.output.index("{") :])
    assert given["max_concurrency"] == 7
    assert fleet("collect", "hourly").exit_code == 2
    states = fleet.aws.session("schedule").client("stepfunctions")
    states.start_execution(stateMachineArn=MACHINE, name="by-the-clock", input=json.dumps(given))
    assert fleet("collect", "hourly", "--run-dir", "out").exit_code == 0
    assert fleet.document.run.run_id == "by-the-clock"


def test_the_newest_run_is_reported_also_where_it_left_no_object(fleet: Fleet) -> None:
    published = fleet("publish", str(fleet.target), "hourly").output
    given = json.dumps(json.loads(published[published.index("{") :]))
    states = fleet.aws.session("schedule").client("stepfunctions")
    states.start_execution(stateMachineArn=MACHINE, name="well", input=given)
    fleet.functions.dead = set(CLIENTS)
    states.start_execution(stateMachineArn=MACHINE, name="all-dead", input=given)
    assert fleet("status", "hourly").output.startswith(f"0 of {len(CLIENTS)}")
    assert fleet("collect", "hourly", "--run-dir", "out").exit_code == 3
    assert fleet.document.run.run_id == "all-dead"
    assert fleet("collect", "hourly/well", "--run-dir", "well").exit_code == 0
    fleet.aws.executions.clear()  # after 90 days
    assert fleet("collect", "hourly", "--run-dir", "later").exit_code == 0


def test_a_function_is_invoked_by_the_role_of_its_own_account(fleet: Fleet) -> None:
    topology = reached_by((HUB,), PATTERNS["privatelink_multi_nlb"].build())
    fleet.target.write_text(dumps(topology), encoding="utf-8")
    fleet.functions.vantage.topology = topology
    assert fleet.run().exit_code == 0
    owners = {client.name: topology.vpc(client.vpc_id).owner_id for client in topology.clients}
    assert len(set(owners.values())) > 1
    assert fleet.aws.roles == {
        f"arn:aws:lambda:us-east-1:{owner}:function:brokerproof-probe-{name}": (
            f"arn:aws:iam::{owner}:role/brokerproof-fleet-invoke-{name}"
        )
        for name, owner in owners.items()
    }


def test_an_execution_that_ends_before_any_item_is_the_reason_of_all(fleet: Fleet) -> None:
    fleet.aws.broken = "The specified bucket does not exist."
    assert fleet.run().exit_code == 3
    why = {client.vantage_error for client in fleet.document.clients}
    assert why == {"did not run: the execution ended: States.ItemReaderFailed: The specified bucket does not exist."}


@pytest.mark.slow
def test_what_the_account_shows_goes_with_the_set_and_is_the_second_witness(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.target.write_text(dumps_intent(intent_of(TOPOLOGY)), encoding="utf-8")
    facts = AccountInProcess().facts(TOPOLOGY, TOPOLOGY)
    monkeypatch.setattr("brokerproof.cli.fleet_session.facts_from", lambda _: facts)
    fleet.functions.vantage.topology = facts.topology
    fleet.functions.vantage.bent = dropped(CLIENTS[1], 1)
    started = fleet.run("--no-wait").output.split()[-1]
    assert fleet("collect", started, "--run-dir", "out").exit_code == 1
    assert [each.audit for each in fleet.document.audits] == [audit(facts)]
    findings = [finding for each in fleet.document.diagnoses for finding in each.diagnosis.findings]
    assert any(finding.account for finding in findings)


def test_a_run_began_when_it_did_and_not_when_it_was_collected(fleet: Fleet) -> None:
    fleet.run()
    assert (fleet.document.started, fleet.document.finished) == (NOW, NOW + TOOK)


def test_a_sets_runs_become_a_history(fleet: Fleet) -> None:
    published = fleet("publish", str(fleet.target), "hourly").output
    given = json.dumps(json.loads(published[published.index("{") :]))
    states = fleet.aws.session("schedule").client("stepfunctions")
    for run, bent in (("one", lambda _, outcomes: outcomes), ("two", dropped(CLIENTS[1], 1))):
        fleet.functions.vantage.bent = bent
        states.start_execution(stateMachineArn=MACHINE, name=run, input=given)
    assert "appended 2 runs" in fleet("history", "hourly", "--store", "store").output
    assert "appended 0 runs" in fleet("history", "hourly", "--store", "store").output
    points = trend(fleet.folder / "store", client=CLIENTS[1], what=(Trend.VERDICT,))
    assert {(point.run_id, point.verdict) for point in points} == {("one", "passed"), ("two", "failed")}
    assert {point.began for point in points} == {NOW}


def test_a_set_that_was_replaced_meanwhile_does_not_judge_what_answered_the_old_one(fleet: Fleet) -> None:
    fleet("publish", str(fleet.target), "hourly")
    old = dict(fleet.aws.objects)
    states = fleet.aws.session("schedule").client("stepfunctions")
    given = json.loads(fleet("publish", str(fleet.target), "hourly").output.partition("{")[2].join(["{", ""]))
    states.start_execution(stateMachineArn=MACHINE, name="one", input=json.dumps(given))
    plan = next(key for key in old if key.endswith(f"plans/{FIRST}.json"))
    fleet.aws.objects[plan] = old[plan].replace(b'"connect_attempts":', b'"connect_attempts" :')
    assert fleet("collect", "hourly", "--run-dir", "out").exit_code == 3


def test_what_is_interrupted_is_stopped(fleet: Fleet) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    fleet.aws.on_look = interrupted
    assert fleet.run().exit_code == 130
    assert [one["status"] for one in fleet.aws.executions.values()] == ["ABORTED"]


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_started(fleet: Fleet) -> None:
    fleet.run()
    fleet.aws.objects.clear()
    assert fleet.run().exit_code == 2
    assert not fleet.aws.objects
    assert len(fleet.aws.executions) == 1


def test_a_profile_that_is_not_there_is_said(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerproof.cli.fleet_session.boto3_session", REAL_SESSION)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    result = fleet("status", "x")
    assert result.exit_code == 2
    assert "The config profile (nobody) could not be found" in result.output


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (("s3", "PutObject"), "cannot be written"),
        (("s3", "ListObjectsV2"), "cannot be listed"),
        (("stepfunctions", "StartExecution"), "cannot be started"),
        (("stepfunctions", "DescribeExecution"), "cannot be described"),
    ],
)
def test_a_refusal_names_what_was_refused(fleet: Fleet, operation: tuple[str, str], words: str) -> None:
    fleet.aws.refused = {operation}
    result = fleet.run()
    assert result.exit_code == 3
    assert words in result.output
    assert "Traceback" not in result.output


def test_the_operators_and_the_functions_calls_are_those_declared(fleet: Fleet) -> None:
    fleet.functions.dead = {FIRST}
    fleet.run()
    fleet.aws.session("operator").client("stepfunctions").stop_execution(executionArn=next(iter(fleet.aws.executions)))
    for who in (Who.OPERATOR, Who.FUNCTION):
        made = {(service, operation) for whose, service, operation in fleet.aws.asked if whose == who}
        assert made == {(call.service, call.operation) for call in CALLS if call.who is who}


@pytest.mark.parametrize(
    ("hub", "words"),
    [
        (("--state-machine", "arn:aws:states:x", "--bucket", BUCKET), "not the ARN of a state machine"),
        (("--state-machine", MACHINE, "--bucket", "B_"), "not the name of a bucket"),
    ],
)
def test_a_hub_that_cannot_be_is_refused(fleet: Fleet, hub: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(main, ["fleet", "status", "x", *hub])
    assert result.exit_code == 2
    assert words in result.output


def test_a_client_whose_account_nobody_knows_is_named(fleet: Fleet) -> None:
    lost = TOPOLOGY.clients[0].model_copy(
        update={"vpc_id": UNKNOWN, "subnet_id": UNKNOWN, "pattern": PatternName.UNKNOWN}
    )
    unknown = TOPOLOGY.model_copy(update={"clients": (lost, *TOPOLOGY.clients[1:])})
    fleet.target.write_text(dumps(unknown), encoding="utf-8")
    result = fleet.run()
    assert result.exit_code == 2
    assert f"client {FIRST}: its VPC is unknown" in result.output


def test_a_client_of_another_region_is_refused_or_left_out_by_name(fleet: Fleet) -> None:
    fleet.target.write_text(dumps(WHOLE), encoding="utf-8")
    refused = fleet.run()
    assert refused.exit_code == 2
    assert "client remote_by_peering is in us-west-2" in refused.output
    left_out = fleet.run("--only-region")
    assert left_out.exit_code == 0
    assert "left out, since they are not in us-east-1: remote_by_peering" in left_out.output


@pytest.mark.parametrize(("dhcp", "is_the_vpcs"), [((), True), (("10.9.9.9",), False)])
def test_a_functions_own_nameserver_is_not_taken_for_somebody_elses(dhcp: tuple[str, ...], is_the_vpcs: bool) -> None:
    client = TOPOLOGY.client(FIRST)
    vpcs = tuple(vpc.model_copy(update={"domain_name_servers": dhcp}) for vpc in TOPOLOGY.vpcs)
    topology = TOPOLOGY.model_copy(update={"vpcs": vpcs})
    run = Scripted(topology).run(verification(topology, client))
    assert run.started is not None
    host = HostFacts(nameservers=("169.254.78.1",))
    run = msgspec.structs.replace(run, started=msgspec.structs.replace(run.started, host_facts=host))
    view = behind_forwarder(expect(topology, FIRST), topology, run)
    assert ("169.254.78.1" in view.resolvers) is is_the_vpcs
