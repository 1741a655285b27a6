"""``brokerproof compare``: turns, what is refused, what is written, and what the exit code says. No lab is started."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from brokerproof.cli import compare
from brokerproof.cli.main import main
from brokerproof.comparison.series import Series, read_samples, write_samples
from brokerproof.comparison.values import Claim, Comparison, Whose
from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Closing, Measured, Reason, Role, Stage, Started, Status, Target
from brokerproof.probes.outcome.samples import Samples, pack
from brokerproof.probes.plan import Plan
from brokerproof.reports.document import decode_document
from brokerproof.running.rounds import Wanted, order
from brokerproof.running.site import Site
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Client
from brokerproof.vantages.protocol import VantageRun
from tests.diagnosis.perfect import bend, outcome, perfect

MS = 1_000_000
SLOWER_MS = {"by_gateway": 2.0}
QUICK = ("--rounds", "14", "--samples", "20", "--seed", "7", "--what", "connect")


def command(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


class Paths:
    """Stands in for the vantages of a site: every path works, but for what it is told."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.turns: list[str] = []
        self.draw = random.Random(3)
        self.dead: set[str] = set()
        self.interrupt_after = 10_000
        self.failing: Counter[str] = Counter()

    def run(self, client: Client, plan: Plan) -> VantageRun:
        view = expect(self.site.topology, client.name)
        started = Started(
            plan_id=plan.plan_id,
            client=client.name,
            probe_version="1",
            host="h",
            python="3",
            wall_clock="2026-01-01T00:00:00+00:00",
        )
        closing = Closing(plan_id=plan.plan_id, outcomes=0, complete=True, duration_ns=1)
        if plan.path_latency is None:
            outcomes = perfect(view)
            if client.name in self.dead:
                outcomes = bend(
                    outcomes,
                    lambda one: one.stage is Stage.CONNECT and one.target.broker_id == 1,
                    lambda one: msgspec.structs.replace(one, status=Status.FAILED, reason=Reason.TIMED_OUT),
                )
            return VantageRun(
                started=started, outcomes=outcomes, closing=msgspec.structs.replace(closing, outcomes=len(outcomes))
            )
        self.turns.append(client.name)
        if len(self.turns) > self.interrupt_after:
            raise KeyboardInterrupt
        if self.failing[client.name]:
            self.failing[client.name] -= 1
            return VantageRun(error="vantage: ssh: connection reset")
        samples, outcomes_of_turn = [], []
        for broker in view.brokers:
            for address in broker.addresses:
                target = Target(
                    role=Role.BROKER,
                    name=broker.name,
                    address=address.address,
                    port=broker.port,
                    broker_id=broker.broker_id,
                )
                took = Samples()
                for index in range(plan.path_latency.samples):
                    ms = 1 + SLOWER_MS.get(client.name, 0) + self.draw.random()
                    took.add(scheduled_ns=index, started_ns=index, duration_ns=int(ms * MS))
                samples += list(pack(Measured.CONNECT, target, took, zero_ns=0, warm_up=False))
                outcomes_of_turn.append(outcome(Stage.LATENCY, target))
        return VantageRun(started=started, outcomes=tuple(outcomes_of_turn), samples=tuple(samples), closing=closing)


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The prepared stand-ins, filled when the site opens; the last entry is what to do to the next one."""
    opened: list[Any] = [lambda _paths: None]

    class Standing(Site):
        def __enter__(self) -> Self:
            self.paths = Paths(self)
            opened[0](self.paths)
            opened.append(self.paths)
            return self

        def _vantage(self, client: Client) -> Any:
            site = self

            class Vantage:
                def run(self, plan: Plan, _on_outcome: object = None) -> VantageRun:
                    run = site.paths.run(client, plan)
                    if callable(_on_outcome):
                        for one in run.outcomes:
                            _on_outcome(one)
                    return run

            return Vantage()

    class NoLab:
        @staticmethod
        @contextmanager
        def start(*_: object, **__: object) -> Any:
            yield None

    monkeypatch.setattr(compare, "Site", Standing)
    monkeypatch.setattr(compare, "Lab", NoLab)
    return opened


def test_clients_take_turns_in_random_order_that_the_seed_gives_again() -> None:
    wanted = Wanted(seed=5, rounds=40)
    turns = order(["peered", "by_gateway", "overlapping"], wanted)
    assert turns == order(["peered", "by_gateway", "overlapping"], wanted)
    assert turns != order(["peered", "by_gateway", "overlapping"], Wanted(seed=6, rounds=40))
    for number in range(1, 41):
        assert sorted(name for each, name in turns if each == number) == ["by_gateway", "overlapping", "peered"]
    assert len({tuple(name for each, name in turns if each == number) for number in range(1, 41)}) == 6


@pytest.mark.slow
def test_a_slower_path_is_told_and_all_is_written(tmp_path: Path, paths: list[Any]) -> None:
    folder = tmp_path / "run"
    code, said, progress = command("combination", "--client", "peered", "--client", "by_gateway", *QUICK, "-o", folder)
    assert code == 0, progress
    assert "connect, median: by_gateway (transit_gateway) adds " in " ".join(said.split())
    assert "seed 7" in progress
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "comparison.json",
        "comparison.md",
        "journal",
        "junit.xml",
        "report.html",
        "result.json",
        "samples.parquet",
    ]
    found = msgspec.json.decode((folder / "comparison.json").read_bytes(), type=Comparison)
    median = found.compared[0]
    assert (median.first.client, median.second.client, median.contrast.verdict) == ("by_gateway", "peered", Claim.MORE)
    assert median.contrast.difference_ns is not None
    assert median.contrast.difference_ns.value == pytest.approx(2 * MS, rel=0.1)
    document = decode_document((folder / "result.json").read_bytes())
    assert document.comparisons == (found,)
    assert document.complete
    assert {one.view.client for one in document.clients} == {"peered", "by_gateway"}
    rounds = {(one.whose.client, one.whose.round) for one in read_samples(folder / "samples.parquet")}
    assert rounds == {(client, number) for client in ("peered", "by_gateway") for number in range(1, 15)}
    assert (
        "| by_gateway (transit_gateway) | peered (peering) | connect | median |"
        in (folder / "comparison.md").read_text()
    )
    assert sorted(Counter(paths[-1].turns).items()) == [("by_gateway", 14), ("peered", 14)]
    # The run can be compared with itself, and is not told apart from it.
    assert command(folder, folder, "--fail-on-difference")[0] == 0


def test_a_difference_can_be_a_failure(tmp_path: Path, paths: list[Any]) -> None:
    where = ("combination", "--client", "peered", *QUICK, "--fail-on-difference", "--format", "json")
    assert paths
    assert command(*where, "--client", "by_gateway", "-o", tmp_path / "1")[0] == 1
    code, said, _ = command(*where, "--client", "remote_by_gateway", "-o", tmp_path / "2")
    assert code == 0
    assert msgspec.json.decode(said, type=Comparison).compared[0].contrast.verdict is Claim.NOT_TOLD_APART


def test_a_path_that_is_not_as_it_must_be_is_not_compared(tmp_path: Path, paths: list[Any]) -> None:
    paths[0] = lambda opened: opened.dead.add("by_gateway")
    code, said, why = command(
        "combination", "--client", "peered", "--client", "by_gateway", *QUICK, "-o", tmp_path / "run"
    )
    assert code == 1
    assert "FAILED" in said
    assert "are not compared" in why
    assert paths[-1].turns == []


def test_a_turn_that_fails_does_not_count_and_many_end_it(tmp_path: Path, paths: list[Any]) -> None:
    paths[0] = lambda opened: opened.failing.update({"by_gateway": 2})
    code, said, why = command(
        "combination", "--client", "peered", "--client", "by_gateway", *QUICK, "-o", tmp_path / "1"
    )
    assert code == 0
    assert "in 12 rounds" in " ".join(said.split())
    assert "does not count: vantage: ssh: connection reset" in " ".join(why.split())
    paths[0] = lambda opened: opened.failing.update({"by_gateway": 9})
    code, _, why = command("combination", "--client", "peered", "--client", "by_gateway", *QUICK, "-o", tmp_path / "2")
    assert code == 3
    assert "9 of 28 turns failed: vantage: ssh: connection reset" in why


def test_interrupted_it_keeps_what_was_measured(tmp_path: Path, paths: list[Any]) -> None:
    def soon(opened: Paths) -> None:
        opened.interrupt_after = 5

    paths[0] = soon
    folder = tmp_path / "run"
    code, _, why = command("combination", "--client", "peered", "--client", "by_gateway", *QUICK, "-o", folder)
    assert code == 130
    assert "interrupted after 5 turns" in why
    document = decode_document((folder / "result.json").read_bytes())
    assert document.incomplete_because == ("the run ended early: interrupted",)
    assert len({(one.whose.client, one.whose.round) for one in read_samples(folder / "samples.parquet")}) == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name what to compare"),
        (("nowhere",), "'nowhere' is neither a pattern nor a file"),
        (
            ("combination", "--client", "peered"),
            "a comparison takes two clients or more of: cluster_vpc, peered, by_gateway",
        ),
        (("combination", "--client", "peered", "--client", "nobody"), "nobody: not there"),
        (("combination", "--what", "end_to_end"), "give --records"),
        (("one", "two"), "one: no run with samples"),
        (("one", "two", "--client", "peered"), "leave out --client"),
        (("combination", "--target", "x.yaml"), "leave out combination"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    code, _, why = command(*arguments)
    assert code == 2, why
    assert says in why


def test_without_a_lab_it_could_not_be_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LabError("no Java")

    monkeypatch.setattr(Lab, "start", refuse)
    code, _, why = command("combination", *QUICK, "-o", tmp_path / "run")
    assert (code, "no Java" in why) == (3, True)


def stored(folder: Path, ms: float, client: str = "peered") -> Path:
    folder.mkdir()
    at = np.arange(600, dtype=np.int64) * MS
    took = (MS * (ms + np.random.default_rng(1).random(600))).astype(np.int64)
    one = Series(
        whose=Whose(run_id=folder.name, client=client, pattern="peering"), broker_id=1, name="b-1", address="10.0.0.1",
        what=Measured.CONNECT, warm_up=False, scheduled_ns=at, started_ns=at, duration_ns=took,
    )  # fmt: skip
    write_samples([one], folder / "samples.parquet")
    return folder


def test_two_stored_runs(tmp_path: Path) -> None:
    before, after, other = (
        stored(tmp_path / "before", 1), stored(tmp_path / "after", 3), stored(tmp_path / "other", 1, "by_gateway")
    )  # fmt: skip
    code, said, _ = command(before, after / "samples.parquet", "--format", "markdown", "-o", tmp_path / "out")
    assert code == 0
    assert "peered (peering) in after adds 2." in said
    assert "The runs are of different times" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["comparison.json", "comparison.md"]
    code, _, why = command(before, other)
    assert code == 2
    assert "no client is timed in both runs" in why
    (tmp_path / "rubbish.parquet").write_text("x")
    assert command(before, tmp_path / "rubbish.parquet")[0] == 2
