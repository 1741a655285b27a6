"""The engine ssm by the command line: commands to instances of several accounts, told as a local run is."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.intent.files import dumps_intent
from brokerproof.cli.fleet_session import Session, Written
from brokerproof.cli.main import main
from brokerproof.fleet.access import Credentials
from brokerproof.fleet.calls import CALLS, On, Who
from brokerproof.fleet.command import limits, script
from brokerproof.fleet.engine import Wanted
from brokerproof.fleet.hub import CommandHub, FleetError, reached_by
from brokerproof.fleet.instances import _why_not
from brokerproof.fleet.items import verification
from brokerproof.fleet.parts import OpenHub
from brokerproof.fleet.ssm import open_engine
from brokerproof.fleet.store import Store
from brokerproof.probes.outcome import HostFacts
from brokerproof.probes.plan import Plan, encode_plan
from brokerproof.reports.document import ResultDocument, decode_document
from brokerproof.running.account import AccountInProcess
from brokerproof.topology.files import checked, dumps
from brokerproof.topology.models import ClientVantage, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.bundle import Bundle, FarPlatform
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from tests.fleet.aws import BUCKET, NOW
from tests.fleet.offline.of_scale import many
from tests.fleet.probes import Bend, Scripted, dropped
from tests.fleet.ssm import OWN, TOOK, FleetSsm, Instance, Scripts
from tests.fleet.test_loop import bare, locally

EAST = "us-east-1"
HUB = ("--engine", "ssm", "--region", EAST, "--bucket", BUCKET)
TOPOLOGY = reached_by((CommandHub(EAST, BUCKET),), PATTERNS["privatelink_multi_nlb"].build())
CLIENTS = tuple(client.name for client in TOPOLOGY.clients)
OWNERS = {client.name: TOPOLOGY.vpc(client.vpc_id).owner_id for client in TOPOLOGY.clients}
FIRST = CLIENTS[0]


def instance_of(client: str) -> str:
    return f"i-{hashlib.sha256(client.encode()).hexdigest()[:17]}"


@cache
def text() -> str:
    """The file of the topology. Most tests take less time than it takes to write."""
    return dumps(TOPOLOGY)


class Fleet:
    """A bucket, the accounts of the clients, and the command line."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, topology: Topology = TOPOLOGY) -> None:
        self.vantage = Scripted(bare(topology))
        owners = {client.name: topology.vpc(client.vpc_id).owner_id for client in topology.clients}
        instances = {instance_of(name): Instance(owner, name) for name, owner in owners.items()}
        self.aws = FleetSsm(instances, lambda _instance, _script: (1, ""))
        self.scripts = Scripts(self.aws, self.vantage)
        self.aws.carries = self.scripts
        self.folder = folder
        self.target = folder / "target.yaml"
        self.target.write_text(text() if topology is TOPOLOGY else dumps(topology), encoding="utf-8")
        probe = folder / "probe.zip"
        probe.write_bytes(b"probe")
        monkeypatch.chdir(folder)
        session = self.aws.session("sender")
        monkeypatch.setattr("brokerproof.cli.fleet_session.boto3_session", lambda _region: session)
        monkeypatch.setattr("brokerproof.fleet.follow.time.sleep", lambda _: None)
        self.platforms: list[FarPlatform] = []

        def bundle(far: FarPlatform) -> Bundle:
            self.platforms.append(far)
            return Bundle(probe, hashlib.sha256(probe.read_bytes()).hexdigest(), 5)

        monkeypatch.setattr("brokerproof.fleet.ssm_send.instance_bundle", bundle)

    def __call__(self, *words: str, hub: tuple[str, ...] = HUB) -> Result:
        return CliRunner().invoke(main, ["fleet", *words, *hub])

    def run(self, *words: str) -> Result:
        return self("run", str(self.target), "--run-dir", "out", *words)

    def instance(self, client: str) -> Instance:
        return self.aws.instances[instance_of(client)]

    @property
    def document(self) -> ResultDocument:
        return decode_document((self.folder / "out/result.json").read_bytes())

    @property
    def errors(self) -> dict[str, str]:
        return {client.view.client: client.vantage_error for client in self.document.clients}

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [command.asked for command in self.aws.commands.values()]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


def named(topology: Topology, instances: dict[str, str]) -> Topology:
    """The topology with these clients' instances stated."""
    clients = tuple(
        client.model_copy(update={"vantage": ClientVantage(kind=VantageKind.SSM, instance_id=instances[client.name])})
        if client.name in instances
        else client
        for client in topology.clients
    )
    return checked(topology.model_copy(update={"clients": clients}))


@pytest.mark.parametrize("bent", [lambda _, outcomes: outcomes, dropped(FIRST, 2)], ids=["well", "dropped"])
def test_a_fleets_document_is_a_local_runs(fleet: Fleet, tmp_path: Path, bent: Bend) -> None:
    fleet.vantage.bent = bent
    result = fleet.run()
    here, there = locally(tmp_path / "local", bent, TOPOLOGY), fleet.document
    assert tuple(msgspec.structs.replace(client, ran_as="") for client in there.clients) == here.clients
    assert [instance_of(client.view.client) in client.ran_as for client in there.clients] == [True] * len(CLIENTS)
    assert all("the client's own host" in client.ran_as for client in there.clients)
    assert there.diagnoses == here.diagnoses
    assert there.complete
    assert result.exit_code == (0 if bent.__name__ == "<lambda>" else 1), result.output
    assert there.finished == NOW + TOOK


def test_a_nameserver_of_an_instances_own_link_is_not_taken_for_the_vpcs(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Scripted.run

    def run(self: Scripted, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        told = real(self, plan, on_outcome)
        assert told.started is not None
        host = HostFacts(nameservers=("169.254.78.1",))
        return msgspec.structs.replace(told, started=msgspec.structs.replace(told.started, host_facts=host))

    monkeypatch.setattr(Scripted, "run", run)
    fleet.run()
    assert not any("169.254.78.1" in client.view.resolvers for client in fleet.document.clients)


def test_an_account_has_one_command_by_its_own_role(fleet: Fleet) -> None:
    assert fleet.run("--at-once", "7").exit_code == 0
    assert sorted(command.account for command in fleet.aws.commands.values()) == sorted(set(OWNERS.values()))
    assert sum(int(asked["MaxConcurrency"]) for asked in fleet.sent) == 7
    for command in fleet.aws.commands.values():
        own = sorted(instance_of(name) for name, owner in OWNERS.items() if owner == command.account)
        asked = command.asked
        assert asked["Targets"] == [{"Key": "InstanceIds", "Values": own}]
        assert asked["MaxErrors"] == str(len(own)), "every script may fail: each is told by its object"
        assert asked["TimeoutSeconds"] == 30
        assert asked["OutputS3BucketName"] == BUCKET
        assert asked["OutputS3KeyPrefix"].startswith("brokerproof/")
        assert "/runs/_output/" in asked["OutputS3KeyPrefix"]
        assert asked["DocumentName"] == "AWS-RunShellScript"
        [run_s] = asked["Parameters"]["executionTimeout"]
        assert 120 < int(run_s) < 600


@pytest.mark.parametrize(
    ("dead", "words"),
    [
        (Instance(OWNERS[FIRST], FIRST, ping="ConnectionLost"), "was last heard of at 2026-11-01 00:00 UTC"),
        (Instance(OWNERS[FIRST], FIRST, registered=False), "SSM does not know i-"),
        (Instance(OWNERS[FIRST], FIRST, platform="Windows"), "runs Windows, and the probe needs Linux"),
        (Instance(OWNERS[FIRST], FIRST, state="stopped"), f"has the tag brokerproof-client={FIRST}"),
    ],
)
def test_an_instance_that_ssm_does_not_reach_holds_no_place(fleet: Fleet, dead: Instance, words: str) -> None:
    fleet.aws.instances[instance_of(FIRST)] = dead
    result = fleet.run()
    assert result.exit_code == 3, result.output
    assert f"did not run: {FIRST}" in result.output
    assert words in fleet.errors[FIRST]
    assert fleet.errors[FIRST].startswith("did not run: ")
    assert [error for name, error in fleet.errors.items() if name != FIRST] == [""] * (len(CLIENTS) - 1)
    assert instance_of(FIRST) not in {each for command in fleet.aws.commands.values() for each in command.invocations}


STATUSES = {
    "DeliveryTimedOut": "did not take the command in time; is it running?",
    "Undeliverable": "SSM cannot deliver to i-",
    "AccessDenied": "whoever sent the command has no access to i-",
    "InvalidPlatform": "not for the platform of i-",
    "ExecutionTimedOut": "its script did not end in time",
    "Execution Timed Out": "its script did not end in time",
    "Cancelled": "the command was cancelled",
    "Success": "its script succeeded and its object is not there",
    "SomethingNew": "SSM says of the command at i-",
}


def test_a_status_of_ssm_is_the_words_for_a_missing_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each status at an instance of its own, and one instance that is well."""
    topology = many(len(STATUSES) + 1)
    fleet = Fleet(tmp_path, monkeypatch, topology)
    names = [client.name for client in topology.clients]
    for name, status in zip(names, STATUSES, strict=False):
        fleet.instance(name).status = status
    result = fleet.run()
    assert result.exit_code == 3, result.output
    errors = fleet.errors
    told = {status: errors[name] for name, status in zip(names, STATUSES, strict=False)}
    assert {status: error for status, error in told.items() if STATUSES[status] not in error} == {}
    assert f"1 of {len(names)} clients ran" in result.output


def test_a_status_is_nothing_beside_an_object(fleet: Fleet) -> None:
    real = fleet.aws.carries
    fleet.aws.carries = lambda instance, script: (1, real(instance, script)[1])
    assert fleet.run().exit_code == 0
    assert set(fleet.errors.values()) == {""}


def test_a_script_that_fails_says_why_of_each_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(tmp_path, monkeypatch)
    fleet.scripts.dead = {FIRST}
    assert fleet.run().exit_code == 3
    assert fleet.errors[FIRST].startswith(f"did not run: its script failed at {instance_of(FIRST)}: the plan s3://")
    assert fleet.errors[FIRST].endswith("cannot be read: HTTP 403 Forbidden")
    fleet.aws.carries = lambda _instance, _script: (1, "----------ERROR-------\nbrokerproof: there is no probe\n...")
    assert fleet("run", str(fleet.target), "--run-dir", "again").exit_code == 3
    told = decode_document((tmp_path / "again/result.json").read_bytes())
    assert {client.vantage_error.rpartition(": ")[2] for client in told.clients} == {"there is no probe"}


def test_clients_of_one_instance_run_there_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topology = named(_in_one_account(TOPOLOGY, OWN), dict.fromkeys(CLIENTS, instance_of(FIRST)))
    fleet = Fleet(tmp_path, monkeypatch, topology)
    result = fleet.run()
    assert result.exit_code == 0, result.output
    [asked] = fleet.sent
    assert asked["Targets"] == [{"Key": "InstanceIds", "Values": [instance_of(FIRST)]}]
    assert int(asked["Parameters"]["executionTimeout"][0]) > 120 + 45 * len(CLIENTS)
    assert set(fleet.errors.values()) == {""}


def test_a_tag_names_one_instance_or_none_is_taken(fleet: Fleet) -> None:
    fleet.aws.instances["i-0twin"] = Instance(OWNERS[FIRST], FIRST)
    fleet.instance(CLIENTS[1]).client = ""
    fleet.instance(CLIENTS[2]).client = f"{CLIENTS[2]} something-else"
    assert fleet.run().exit_code == 3
    assert f"i-0twin and {instance_of(FIRST)} of account {OWNERS[FIRST]} all have the tag" in fleet.errors[FIRST]
    assert f"no running instance of account {OWNERS[CLIENTS[1]]}" in fleet.errors[CLIENTS[1]]
    assert fleet.errors[CLIENTS[2]] == ""


def test_a_file_names_an_instance_before_a_tag_does(fleet: Fleet) -> None:
    fleet.aws.instances["i-0stated"] = Instance(OWNERS[FIRST])
    fleet.target.write_text(dumps(named(TOPOLOGY, {FIRST: "i-0stated"})), encoding="utf-8")
    assert fleet.run().exit_code == 0
    assert "instance/i-0stated" in {c.view.client: c.ran_as for c in fleet.document.clients}[FIRST]
    texts = [body for key, body in fleet.aws.objects.items() if key.endswith("topology.json")]
    assert not any(b"i-0stated" in text for text in texts), "how clients are reached is nobody's business in a bucket"


def test_an_intent_names_the_instance_that_a_client_is(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = intent_of(TOPOLOGY)
    clients = tuple(
        client.model_copy(update={"at": "i-0fromintent"}) if client.name == FIRST else client
        for client in intent.clients
    )
    fleet.target.write_text(dumps_intent(intent.model_copy(update={"clients": clients})), encoding="utf-8")
    facts = AccountInProcess().facts(TOPOLOGY, TOPOLOGY)
    monkeypatch.setattr("brokerproof.cli.fleet_session.facts_from", lambda _: facts)
    fleet.vantage.topology = facts.topology
    fleet.aws.instances["i-0fromintent"] = Instance(OWNERS[FIRST])
    fleet.run()
    assert "instance/i-0fromintent" in {c.view.client: c.ran_as for c in fleet.document.clients}[FIRST]


def test_a_probe_is_put_once_and_anew_before_the_bucket_removes_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = Bundle(fleet.folder / "probe.zip", "0" * 64, 5)
    store = Store(CommandHub(EAST, BUCKET), fleet.aws.session("sender").client("s3"))
    puts = []
    for stays in (datetime.now(UTC) - NOW + timedelta(days=1), timedelta(days=1)):
        monkeypatch.setattr("brokerproof.fleet.store.PROBE_STAYS", stays)
        keys = {store.put_probe(probe) for _ in range(2)}
        assert keys == {f"brokerproof/_probes/{'0' * 64}.zip"}
        puts.append([operation for _, _, operation in fleet.aws.asked].count("PutObject"))
    assert puts == [1, 3]


def test_an_account_that_is_closed_keeps_no_other_from_running(fleet: Fleet) -> None:
    closed = next(owner for owner in OWNERS.values() if owner != OWN)
    fleet.aws.closed_accounts = {closed}
    result = fleet.run()
    assert result.exit_code == 3, result.output
    for name, owner in OWNERS.items():
        role = f"role arn:aws:iam::{closed}:role/brokerproof-fleet-commands cannot be assumed"
        assert (role in fleet.errors[name]) is (owner == closed)


def test_where_nothing_can_be_sent_nothing_is_reported(fleet: Fleet) -> None:
    fleet.aws.refused = {("ssm", "SendCommand")}
    result = fleet.run()
    assert result.exit_code == 3
    assert "no command can be sent in account" in result.output
    assert not (fleet.folder / "out").exists()


def test_accounts_take_turns_where_they_are_more_than_may_run_at_a_time(fleet: Fleet) -> None:
    accounts = len(set(OWNERS.values()))
    assert accounts > 1
    fleet.aws.looks = 3
    refused = fleet.run("--at-once", "1", "--no-wait")
    assert refused.exit_code == 2
    assert (
        f"{accounts} commands are needed, one for 50 instances of an account, and 1 may run at a time" in refused.output
    )
    assert not fleet.aws.commands
    assert fleet.run("--at-once", "1").exit_code == 0
    assert len(fleet.aws.commands) == accounts
    assert fleet.aws.most_at_once == 1, "each was sent when none was under way"
    assert set(fleet.errors.values()) == {""}


def test_a_command_that_is_refused_when_its_turn_comes_is_why(fleet: Fleet) -> None:
    fleet.aws.looks = 2
    fleet.aws.on_look = lambda: fleet.aws.refused.add(("ssm", "SendCommand"))
    assert fleet.run("--at-once", "1").exit_code == 3
    [command] = fleet.aws.commands.values()
    for name, owner in OWNERS.items():
        assert ("no command can be sent in account" in fleet.errors[name]) is (owner != command.account)


def test_whose_turn_did_not_come_is_told(fleet: Fleet) -> None:
    fleet.aws.looks = 100

    def interrupted() -> None:
        raise KeyboardInterrupt

    fleet.aws.on_look = interrupted
    assert fleet.run("--at-once", "1").exit_code == 130
    fleet.aws.on_look = lambda: None
    [command] = fleet.aws.commands.values()
    assert command.cancelled
    [run] = {key.split("/")[1] for key in fleet.aws.objects if key.endswith("items.json")}
    assert fleet("collect", run, "--run-dir", "later").exit_code == 3
    told = decode_document((fleet.folder / "later/result.json").read_bytes())
    turn = [client.view.client for client in told.clients if "its turn had not come" in client.vantage_error]
    assert len(turn) == len([owner for owner in OWNERS.values() if owner != command.account])


def test_no_more_are_begun_once_too_many_failed(fleet: Fleet) -> None:
    fleet.scripts.dead = set(CLIENTS)
    fleet.aws.looks = 1
    assert fleet.run("--at-once", "1", "--stop-when-failed", "0").exit_code == 3
    assert len(fleet.aws.commands) == 1
    assert {asked["MaxErrors"] for asked in fleet.sent} == {"0"}
    stopped = [error for error in fleet.errors.values() if "more had failed by then than --stop-when-failed" in error]
    first = next(iter(fleet.aws.commands.values())).account
    assert len(stopped) >= len([owner for owner in OWNERS.values() if owner != first])


def test_ssm_itself_begins_no_more_in_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(tmp_path, monkeypatch, _in_one_account(TOPOLOGY, OWN))
    fleet.scripts.dead = set(CLIENTS)
    assert fleet.run("--stop-when-failed", "34").exit_code == 3
    [asked] = fleet.sent
    assert asked["MaxErrors"] == "1", "a third of three"
    assert sum("more had failed by then" in error for error in fleet.errors.values()) == len(CLIENTS) - 2
    fleet.aws.commands.clear()
    for client in CLIENTS:
        fleet.instance(client).status = "DeliveryTimedOut"
    assert fleet("run", str(fleet.target), "--run-dir", "b", "--stop-when-failed", "0").exit_code == 3
    told = decode_document((tmp_path / "b/result.json").read_bytes())
    assert not any("more had failed" in c.vantage_error for c in told.clients), "deliveries that time out are no errors"


def test_no_more_are_sent_once_too_many_were_not_reached(fleet: Fleet) -> None:
    for client in CLIENTS:
        fleet.instance(client).status = "DeliveryTimedOut"
    fleet.aws.looks = 1
    assert fleet.run("--at-once", "1", "--stop-when-failed", "0").exit_code == 3
    assert len(fleet.aws.commands) == 1


def test_a_run_is_told_by_status_and_collected_later(fleet: Fleet) -> None:
    fleet.instance(FIRST).status = "DeliveryTimedOut"
    started = fleet.run("--no-wait")
    assert started.exit_code == 0, started.output
    name = started.output.split()[-1]
    status = fleet("status", name)
    assert status.exit_code == 3
    assert f"{len(CLIENTS) - 1} of {len(CLIENTS)} clients answered; the execution is" in status.output
    assert "incomplete and success" in status.output
    assert fleet("collect", name, "--run-dir", "out").exit_code == 3
    assert "is it running?" in fleet.errors[FIRST]
    assert "appended 1 runs" in fleet("history", name, "--store", "store").output
    fleet.aws.commands.clear()


@pytest.mark.parametrize("refuses", [False, True])
def test_ssm_may_not_know_at_first_what_it_took(fleet: Fleet, refuses: bool) -> None:
    fleet.aws.unknown_looks, fleet.aws.refuses_unknown = 5, refuses
    fleet.aws.carries = lambda _instance, _script: (0, "")
    result = fleet.run()
    assert result.exit_code == 3
    assert fleet.aws.unknown_looks == 0
    assert "its script succeeded and its object is not there" in fleet.errors[FIRST]


def test_a_run_that_ssm_has_forgotten_is_told_by_its_objects(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.instance(FIRST).status = "DeliveryTimedOut"
    name = fleet.run("--no-wait").output.split()[-1]
    monkeypatch.setattr("brokerproof.fleet.ssm._NOT_YET", timedelta(0))
    fleet.aws.unknown_looks = 100
    assert "the execution is forgotten" in fleet("status", name).output
    assert fleet("collect", name, "--run-dir", "out").exit_code == 3
    assert "SSM does not know the command any more" in fleet.errors[FIRST]
    assert [error for client, error in fleet.errors.items() if client != FIRST] == [""] * (len(CLIENTS) - 1)


def test_what_was_sent_is_kept_before_the_next_is(fleet: Fleet) -> None:
    """Whoever runs the fleet may be killed at any moment; what runs must be found again."""
    records = []
    real = fleet.aws.carries

    def seen(instance: str, script: str) -> tuple[int, str]:
        records.append([json.loads(body) for key, body in fleet.aws.objects.items() if key.endswith("commands.json")])
        return real(instance, script)

    fleet.aws.carries = seen
    fleet.run()
    assert [len(each[0]["commands"]) if each else 0 for each in (records[0], records[-1])] == [0, 1]


def test_a_script_has_nothing_that_ssm_would_replace() -> None:
    text = script(b"", "https://b", python="", platforms=[FarPlatform("3.12", "x86_64")], run_s=1)
    assert "{{" not in text


def test_what_is_interrupted_is_cancelled(fleet: Fleet) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    fleet.aws.on_look = interrupted
    assert fleet.run().exit_code == 130
    assert [command.cancelled for command in fleet.aws.commands.values()] == [True] * len(fleet.aws.commands)


def test_what_is_interrupted_while_it_is_sent_is_cancelled(fleet: Fleet) -> None:
    fleet.aws.on_send = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert fleet.run().exit_code == 130
    assert [command.cancelled for command in fleet.aws.commands.values()] == [True]


def test_who_collects_while_another_sends_waits_for_what_it_will_send(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies() -> None:
        raise RuntimeError

    fleet.aws.on_look = dies
    assert isinstance(fleet.run("--at-once", "1").exception, RuntimeError)
    fleet.aws.on_look = lambda: None
    [run] = {key.split("/")[1] for key in fleet.aws.objects if key.endswith("items.json")}
    store = Store(CommandHub(EAST, BUCKET), fleet.aws.session("sender").client("s3"))
    access = Credentials(fleet.aws.session("sender"), Config())
    for since, is_over in ((timedelta(minutes=1), True), (2 * (datetime.now(UTC) - NOW), False)):
        monkeypatch.setattr("brokerproof.fleet.ssm._NEXT_IS_SENT", since)
        looked = open_engine(CommandHub(EAST, BUCKET), store, access).look(run, run)
        assert looked is not None
        assert looked.is_over is is_over


def test_a_set_that_a_schedule_runs_stays_where_this_engine_cannot_be_scheduled(fleet: Fleet) -> None:
    assert fleet("publish", str(fleet.target), "hourly").exit_code == 2
    assert not [key for key in fleet.aws.objects if "hourly" in key]


def test_no_schedule_starts_it(fleet: Fleet) -> None:
    result = fleet("publish", str(fleet.target), "hourly")
    assert result.exit_code == 2
    assert "no schedule starts hourly by Run Command, whose links end" in result.output


def test_the_senders_and_the_commanders_calls_are_those_declared(fleet: Fleet) -> None:
    fleet.instance(FIRST).status = "Undeliverable"
    fleet.run()
    fleet.aws.session("sender").client("ssm").cancel_command(CommandId=next(iter(fleet.aws.commands)))
    made = {(service, operation) for _, service, operation in fleet.aws.asked}
    declared = {(call.service, call.operation) for call in CALLS if call.who in {Who.SENDER, Who.COMMANDER}}
    assert made == declared
    commander = {(call.service, call.operation) for call in CALLS if call.who is Who.COMMANDER}
    assert {service for service, _ in commander} == {"ssm", "ec2"}


@pytest.mark.parametrize("who", ["sender", "commander", "instance"])
def test_the_policies_of_its_roles_are_printed(fleet: Fleet, who: str) -> None:
    printed = json.loads(fleet("policy", who).output)
    assert printed["Statement"]
    anywhere = {action for each in printed["Statement"] if each["Resource"] == "*" for action in each["Action"]}
    assert anywhere == {call.permission for call in CALLS if call.who == who and call.on == (On.ANYTHING,)}


def test_a_role_of_the_other_engine_is_refused(fleet: Fleet) -> None:
    result = fleet("policy", "function")
    assert result.exit_code == 2
    assert "engine ssm has no function: it has sender, commander and instance" in result.output


def test_what_instances_run_is_said(fleet: Fleet) -> None:
    words = ("--probe-for", "3.11/aarch64", "--probe-for", "3.12/x86_64/musl", "--python", "/opt/py/bin/python")
    fleet.aws.carries = lambda _instance, _script: (0, "")
    assert fleet.run(*words).exit_code == 3
    assert set(fleet.platforms) == {FarPlatform("3.11", "aarch64"), FarPlatform("3.12", "x86_64", "musl")}
    assert all(a["Parameters"]["commands"][0].startswith("for python in /opt/py/bin/python; do") for a in fleet.sent)


@pytest.mark.parametrize(
    ("words", "hub", "says"),
    [
        (("--probe-for", "3.11"), HUB, "--probe-for 3.11: expected PYTHON/MACHINE"),
        (("--python", "x"), ("--engine", "step-functions", *HUB[4:]), "--python and --probe-for are of engine ssm"),
        ((), ("--engine", "ssm", "--bucket", BUCKET), "engine ssm needs --region beside --bucket"),
        ((), ("--bucket", BUCKET), "engine step-functions needs --state-machine beside --bucket"),
        ((), ("--engine", "ssm", "--region", "east", "--bucket", BUCKET), "'east' is not the name of a Region"),
        ((), (*HUB, "--bucket", BUCKET), "1 Regions and 2 buckets"),
        ((), ("--engine", "ssm", "--region", "us-west-2", "--bucket", BUCKET), "give a bucket there too"),
    ],
)
def test_what_cannot_be_is_refused(fleet: Fleet, words: tuple[str, ...], hub: tuple[str, ...], says: str) -> None:
    result = fleet("run", str(fleet.target), *words, hub=hub)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert not fleet.aws.commands


def test_a_record_that_cannot_be_read_is_said(fleet: Fleet) -> None:
    name = fleet.run("--no-wait").output.split()[-1]
    [key] = [key for key in fleet.aws.objects if key.endswith("commands.json")]
    fleet.aws.objects[key] = b"{"
    result = fleet("status", name)
    assert result.exit_code == 3
    assert f"what was sent for run {name} cannot be read" in result.output


def test_two_regions_are_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topology = PATTERNS["transit_gateway"].build()
    fleet = Fleet(tmp_path, monkeypatch, topology)
    west = FleetSsm(fleet.aws.instances, fleet.scripts)
    west.carries = Scripts(west, fleet.vantage)
    sessions = {EAST: fleet.aws.session("sender"), "us-west-2": west.session("sender")}
    monkeypatch.setattr("brokerproof.cli.fleet_session.boto3_session", lambda region: sessions[region])
    both = ("--region", "us-west-2", "--bucket", f"{BUCKET}-west")
    result = fleet("run", str(fleet.target), "--run-dir", "out", hub=(*HUB, *both))
    assert result.exit_code == 0, result.output
    assert fleet.errors == dict.fromkeys((client.name for client in topology.clients), "")
    assert all(aws.commands for aws in (fleet.aws, west))


def test_more_instances_than_a_command_names_are_several_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = many(60)
    fleet = Fleet(tmp_path, monkeypatch, topology)
    dead = {client.name for client in topology.clients[::7]}
    for name in dead:
        fleet.instance(name).ping = "ConnectionLost"
    failing = topology.clients[1].name
    fleet.instance(failing).status = "ExecutionTimedOut"
    assert fleet.run("--at-once", "30").exit_code == 3
    assert [int(asked["MaxConcurrency"]) for asked in fleet.sent] == [25, 5]
    aimed = [one for asked in fleet.sent for one in asked["Targets"][0]["Values"]]
    assert sorted(aimed) == sorted(instance_of(c.name) for c in topology.clients if c.name not in dead)
    assert {name for name, error in fleet.errors.items() if error} == dead | {failing}
    assert "did not end in time" in fleet.errors[failing]


def test_a_command_lasts_until_the_last_instance_has_had_its_time() -> None:
    text = encode_plan(verification(TOPOLOGY, TOPOLOGY.client(FIRST)))
    one = limits({"i-1": [text]}, 5)
    assert one.deliver_s == 30
    many = limits({f"i-{n}": [text] for n in range(101)}, 5)
    assert many.run_s == one.run_s
    assert many.deliver_s == 30 + 20 * one.run_s
    two = limits({"i-1": [text], "i-2": [text, text]}, 5)
    assert two.run_s - 120 == pytest.approx(2 * (one.run_s - 120), abs=1)


def _in_one_account(topology: Topology, owner: str) -> Topology:
    vpcs = tuple(vpc.model_copy(update={"owner_id": owner}) for vpc in topology.vpcs)
    return checked(topology.model_copy(update={"vpcs": vpcs}))


def test_when_an_agent_was_last_heard_of_is_told_in_utc() -> None:
    there = datetime(2026, 11, 29, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    known = {"PingStatus": "ConnectionLost", "LastPingDateTime": there}
    assert _why_not("i-1", known) == "SSM's agent at i-1 was last heard of at 2026-11-29 08:00 UTC"


def test_a_hub_that_does_not_start_leaves_the_others_to_be_collected() -> None:
    class Starts:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def start(self, *_: object) -> None:
            if self.error is not None:
                raise self.error

    def hub(region: str, error: Exception | None) -> OpenHub:
        return OpenHub(CommandHub(region, BUCKET), None, Starts(error))  # type: ignore[arg-type]

    refused = FleetError("6 commands are needed")
    session = Session((hub(EAST, None), hub("us-west-2", refused)))
    written = Written({EAST: None, "us-west-2": None}, {EAST: 5, "us-west-2": 5}, "")  # type: ignore[dict-item]
    assert session.start("run", written, Wanted) == {"us-west-2": "6 commands are needed"}
    alone = Session((hub("us-west-2", refused),))
    with pytest.raises(FleetError, match="6 commands"):
        alone.start("run", Written({"us-west-2": None}, {"us-west-2": 5}, ""), Wanted)  # type: ignore[dict-item]
