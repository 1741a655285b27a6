"""One run over the hubs of several Regions: each runs its own clients, and all are told as one."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brokerproof.cli.main import main
from brokerproof.fleet.hub import FleetError
from brokerproof.fleet.parts import shared_out
from brokerproof.reports.document import ResultDocument, decode_document
from brokerproof.topology.files import dumps
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.aws import BUCKET, MACHINE, FleetAws
from tests.fleet.probes import Functions, Scripted, dropped

TOPOLOGY = PATTERNS["transit_gateway"].build()
EAST, WEST = "us-east-1", "us-west-2"
MACHINES = {EAST: MACHINE, WEST: MACHINE.replace(EAST, WEST)}
BUCKETS = {EAST: BUCKET, WEST: f"{BUCKET}-west"}
HUBS = tuple(word for r in MACHINES for word in ("--state-machine", MACHINES[r], "--bucket", BUCKETS[r]))
REGION_OF = {client.name: TOPOLOGY.vpc(client.vpc_id).region_name for client in TOPOLOGY.clients}
FAR = sorted(name for name, region in REGION_OF.items() if region == WEST)
NEAR = sorted(name for name, region in REGION_OF.items() if region == EAST)


@cache
def text() -> str:
    """The file of the topology. Most tests take less time than it takes to write."""
    return dumps(TOPOLOGY)


class Fleet:
    """A hub in each Region, and the command line."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = {region: FleetAws() for region in MACHINES}
        self.functions = {region: Functions(aws, Scripted(TOPOLOGY)) for region, aws in self.aws.items()}
        self.folder = folder
        self.target = folder / "target.yaml"
        self.target.write_text(text(), encoding="utf-8")
        monkeypatch.chdir(folder)
        sessions = {region: aws.session("operator") for region, aws in self.aws.items()}
        monkeypatch.setattr("brokerproof.cli.fleet_session.boto3_session", lambda region: sessions[region])

    def __call__(self, *words: str, hubs: tuple[str, ...] = HUBS) -> Result:
        return CliRunner().invoke(main, ["fleet", *words, *hubs])

    def run(self, *words: str) -> Result:
        return self("run", str(self.target), "--run-dir", "out", *words)

    @property
    def document(self) -> ResultDocument:
        return decode_document((self.folder / "out/result.json").read_bytes())

    @property
    def errors(self) -> dict[str, str]:
        return {client.view.client: client.vantage_error for client in self.document.clients}

    def keys(self, region: str, folder: str) -> set[str]:
        return {Path(key).stem for key in self.aws[region].objects if f"/{folder}/" in key and "_engine" not in key}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


def test_each_hub_runs_its_regions_clients_and_all_are_one_run(fleet: Fleet) -> None:
    assert NEAR
    assert FAR
    result = fleet.run()
    assert result.exit_code == 0, result.output
    assert fleet.errors == dict.fromkeys(REGION_OF, "")
    assert fleet.document.complete
    for region, names in ((EAST, NEAR), (WEST, FAR)):
        assert fleet.keys(region, "plans") == set(names)
        assert fleet.keys(region, "runs") == set(names)
        assert {arn.split(":")[3] for arn in fleet.aws[region].roles} == {region}
    assert f"{len(REGION_OF)} of {len(REGION_OF)} clients ran" in result.output


def test_no_more_run_at_a_time_than_the_cluster_takes_of_all_regions_together(fleet: Fleet) -> None:
    fleet.run("--at-once", "3")
    inputs = [json.loads(one["input"]) for aws in fleet.aws.values() for one in aws.executions.values()]
    assert sum(each["max_concurrency"] for each in inputs) == 3
    refused = fleet("run", str(fleet.target), "--at-once", "1")
    assert refused.exit_code == 2
    assert "less than one in each of 2 Regions" in refused.output


@pytest.mark.parametrize(
    ("at_once", "sizes", "given"),
    [
        (6, {"a": 5, "b": 1}, {"a": 5, "b": 1}),
        (5, {"a": 100, "b": 100}, {"a": 3, "b": 2}),
        (10, {"a": 900, "b": 100}, {"a": 9, "b": 1}),
        (2, {"a": 900, "b": 1}, {"a": 1, "b": 1}),
        (7, {"a": 3}, {"a": 7}),
    ],
)
def test_how_many_of_each_region(at_once: int, sizes: dict[str, int], given: dict[str, int]) -> None:
    assert shared_out(at_once, sizes) == given


def test_fewer_at_a_time_than_regions_are_refused() -> None:
    with pytest.raises(FleetError, match="run one Region after another"):
        shared_out(1, {"a": 1, "b": 1})


def test_a_region_that_cannot_be_started_keeps_no_other_from_running(fleet: Fleet) -> None:
    fleet.aws[WEST].refused = {("stepfunctions", "StartExecution")}
    result = fleet.run()
    assert result.exit_code == 3, result.output
    assert f"did not run: {' and '.join(FAR)}" in result.output
    assert "not started in us-west-2: " in result.output
    assert {name for name, error in fleet.errors.items() if not error} == set(NEAR)
    assert all("cannot be started" in fleet.errors[name] for name in FAR)


def test_where_no_region_can_be_started_nothing_is_reported(fleet: Fleet) -> None:
    for aws in fleet.aws.values():
        aws.refused = {("stepfunctions", "StartExecution")}
    result = fleet.run()
    assert result.exit_code == 3
    assert "cannot be started" in result.output
    assert not (fleet.folder / "out").exists()


def test_each_region_says_why_its_own_clients_did_not_run(fleet: Fleet) -> None:
    fleet.aws[EAST].broken = "The specified bucket does not exist."
    fleet.functions[WEST].dead = set(FAR[:1])
    assert fleet.run().exit_code == 3
    assert all("The specified bucket does not exist." in fleet.errors[name] for name in NEAR)
    assert "cannot be assumed" in fleet.errors[FAR[0]]
    assert [fleet.errors[name] for name in FAR[1:]] == [""] * len(FAR[1:])


def test_a_path_that_failed_in_one_region_is_told_before_a_client_that_did_not_run_in_another(fleet: Fleet) -> None:
    fleet.functions[EAST].dead = set(NEAR[:1])
    fleet.functions[WEST].vantage.bent = dropped(FAR[0], 1)
    result = fleet.run()
    assert result.exit_code == 1, result.output
    assert f"did not run: {NEAR[0]}" in result.output


def test_what_a_bucket_has_of_another_regions_client_counts_for_nothing(fleet: Fleet) -> None:
    fleet.functions[WEST].dead = set(FAR)
    real = fleet.functions[EAST]

    def forging(event: dict[str, object]) -> dict[str, object]:
        told = real(event)
        objects = fleet.aws[EAST].objects
        for key in [key for key in objects if key.endswith(f"/{NEAR[0]}.json") and "/runs/" in key]:
            objects |= {key.replace(f"/{NEAR[0]}.json", f"/{name}.json"): objects[key] for name in FAR}
        return told

    fleet.aws[EAST].function = forging
    assert fleet.run().exit_code == 3
    assert all(fleet.errors[name].startswith("did not run") for name in FAR)
    status = fleet("status", fleet.document.run.run_id)
    assert status.output.startswith(f"{len(NEAR)} of {len(REGION_OF)} clients answered")


def test_schedules_name_their_regions_runs_apart_and_one_document_has_both(fleet: Fleet) -> None:
    published = fleet("publish", str(fleet.target), "hourly")
    inputs = json.loads(published.output[published.output.index("{") :])
    assert set(inputs) == set(MACHINES)
    for region, name in ((EAST, "by-the-clock"), (WEST, "an-hour-later")):
        states = fleet.aws[region].session("schedule").client("stepfunctions")
        states.start_execution(stateMachineArn=MACHINES[region], name=name, input=json.dumps(inputs[region]))
    status = fleet("status", "hourly")
    assert status.exit_code == 0
    assert "us-east-1 succeeded and us-west-2 succeeded" in status.output
    assert fleet("collect", "hourly", "--run-dir", "out").exit_code == 0
    assert fleet.document.run.run_id == "by-the-clock+an-hour-later"
    assert set(fleet.errors) == set(REGION_OF)
    alone = fleet("collect", "hourly", "--run-dir", "alone", hubs=HUBS[:4])
    assert alone.exit_code == 2
    assert f"{' and '.join(FAR)}; give the hub of each of its Regions" in alone.output


def test_sets_that_were_not_published_together_are_refused(fleet: Fleet) -> None:
    fleet("publish", str(fleet.target), "hourly")
    east = dict(fleet.aws[EAST].objects)
    other = TOPOLOGY.model_copy(update={"name": "other"})
    fleet.target.write_text(dumps(other), encoding="utf-8")
    fleet("publish", str(fleet.target), "hourly")
    fleet.aws[EAST].objects = east
    given = {"bucket": "b", "prefix": "brokerproof", "set": "hourly", "items_key": "brokerproof/hourly/items.json"}
    for region, machine in MACHINES.items():
        states = fleet.aws[region].session("schedule").client("stepfunctions")
        states.start_execution(stateMachineArn=machine, name="one", input=json.dumps(given))
    result = fleet("collect", "hourly", "--run-dir", "out")
    assert result.exit_code == 2
    assert "is another one in us-west-2 than in us-east-1" in result.output


def test_an_interruption_stops_every_region(fleet: Fleet) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    fleet.aws[EAST].on_look = interrupted
    assert fleet.run().exit_code == 130
    assert [one["status"] for aws in fleet.aws.values() for one in aws.executions.values()] == ["ABORTED", "ABORTED"]


def test_variables_have_several_hubs_with_spaces_between(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERPROOF_FLEET_STATE_MACHINE", " ".join(MACHINES.values()))
    monkeypatch.setenv("BROKERPROOF_FLEET_BUCKET", " ".join(BUCKETS.values()))
    result = fleet("run", str(fleet.target), "--run-dir", "out", hubs=())
    assert result.exit_code == 0, result.output
    assert set(fleet.errors) == set(REGION_OF)


@pytest.mark.parametrize(
    ("words", "hubs", "says"),
    [
        (("status", "x"), (*HUBS[:4], *HUBS[:4]), "two hubs are in us-east-1"),
        (("status", "x"), HUBS[:6], "2 state machines and 1 buckets"),
        (("policy", "operator"), HUBS, "a policy is of one hub"),
        (("history", "x"), HUBS, "do not belong together"),
    ],
)
def test_hubs_that_do_not_go_together_are_refused(
    fleet: Fleet, words: tuple[str, ...], hubs: tuple[str, ...], says: str
) -> None:
    result = fleet(*words, hubs=hubs)
    assert result.exit_code == 2
    assert says in result.output
