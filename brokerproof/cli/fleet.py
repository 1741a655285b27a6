"""``brokerproof fleet``: many clients, each probed by a Lambda of its own VPC or on its instance, told as one run."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

from brokerproof.cli.endings import COULD_NOT, Said, as_sentences
from brokerproof.cli.fleet_session import Session, folder_of, opened
from brokerproof.comparison.history import STORE
from brokerproof.fleet.bundle import HANDLER, MACHINES, PYTHON, function_bundle
from brokerproof.fleet.calls import Who
from brokerproof.fleet.engine import Wanted
from brokerproof.fleet.engines import ENGINES
from brokerproof.fleet.hub import PREFIX, CommandHub, FleetError, Hub, MachineHub, check_name
from brokerproof.fleet.machine import definition
from brokerproof.fleet.pace import Pace, pace_of
from brokerproof.fleet.policies import policy_of
from brokerproof.reports.formats import ON_REQUEST
from brokerproof.vantages.bundle import FarPlatform

P = ParamSpec("P")
_PLATFORM: Final = re.compile(r"(?P<python>3\.[0-9]{1,2})/(?P<machine>x86_64|aarch64)(/(?P<libc>glibc|musl))?")
_TARGET: Final = click.argument("target", type=click.Path(path_type=Path, dir_okay=False, exists=True))


def _hub(function: Callable[P, None]) -> Callable[P, None]:
    """The options that say where the fleet is."""
    for option in (
        click.option("--prefix", default=PREFIX, show_default=True, help="Below which the objects of fleets are."),
        click.option(
            "--bucket",
            "buckets",
            envvar="BROKERPROOF_FLEET_BUCKET",
            multiple=True,
            required=True,
            show_envvar=True,
            help="The hub's bucket; of several hubs each one's, in the same order.",
        ),
        click.option(
            "--region",
            "regions",
            envvar="BROKERPROOF_FLEET_REGION",
            metavar="REGION",
            multiple=True,
            show_envvar=True,
            help="Of engine ssm: whose instances are run; of several Regions each one's.",
        ),
        click.option(
            "--state-machine",
            "state_machines",
            envvar="BROKERPROOF_FLEET_STATE_MACHINE",
            metavar="ARN",
            multiple=True,
            show_envvar=True,
            help="Of engine step-functions: the hub's; of several Regions each one's. A variable has them with spaces "
            "between.",
        ),
        click.option(
            "--engine",
            type=click.Choice(sorted(ENGINES, reverse=True)),
            envvar="BROKERPROOF_FLEET_ENGINE",
            default=MachineHub.engine,
            show_default=True,
            show_envvar=True,
            help="A state machine over a Lambda in each client VPC, or Run Command over the clients' own instances.",
        ),
    ):
        function = option(function)
    return function


def _pace(function: Callable[P, None]) -> Callable[P, None]:
    for option in (
        click.option("--only-region", is_flag=True, help="Leave clients of Regions without a hub out."),
        click.option("--at-once", type=click.IntRange(1, 10_000), metavar="N", help="So many clients at a time."),
        click.option(
            "--connections-per-s",
            type=click.IntRange(1, 10_000),
            metavar="N",
            help="New connections that a broker takes a second, where it is not MSK's quota: 4 on kafka.t3.small.",
        ),
    ):
        function = option(function)
    return function


def _reports(function: Callable[P, None]) -> Callable[P, None]:
    for option in (
        click.option(
            "--report", "reports", multiple=True, type=click.Choice(ON_REQUEST), help="Also write this report."
        ),
        click.option("--history", type=click.Path(path_type=Path), help="Append to the history here."),
        click.option("--run-dir", type=click.Path(path_type=Path), help="Where results go [default: results/RUN]."),
    ):
        function = option(function)
    return function


@click.group()
def fleet() -> None:
    """Verify the clients of many VPCs, each by a Lambda of its own VPC or on its own instance.

    The engine is AWS's own: a distributed map of Step Functions over one function a client, or Run Command of Systems
    Manager over one instance a client. `brokerproof fleet` needs no way into any client VPC. See docs/fleet.md for what
    is deployed.
    """


@fleet.command("run")
@_TARGET
@_hub
@_pace
@_reports
@click.option("--no-wait", is_flag=True, help="Start it, print how to collect it, and end.")
@click.option(
    "--stop-when-failed",
    "tolerated",
    type=click.FloatRange(0, 100),
    default=100,
    metavar="PERCENT",
    help="Begin no more once so many percent of the clients did not run [default: 100, never].",
)
@click.option("--python", default="", metavar="PATH", help="Of engine ssm: the interpreter on the instances.")
@click.option(
    "--probe-for",
    "platforms",
    multiple=True,
    metavar="PYTHON/MACHINE[/LIBC]",
    help="Of engine ssm: what the instances' Pythons are, such as 3.11/aarch64 [default: as this one].",
)
@as_sentences
def run(
    target: Path, *, no_wait: bool, tolerated: float, python: str, platforms: tuple[str, ...], **options: Any
) -> None:
    """Run every client of TARGET, an intent or a topology file, and report them as one run.

    With engine ssm a client's instance is the one that TARGET names, else the running one with the tag
    brokerproof-client=NAME.

    Exit codes: 0 every client's path is as it must be; 1 a path is not; 2 wrong use; 3 nothing failed, but not every
    client ran: each is named; 130 interrupted: the execution is stopped.
    """
    if options["engine"] != CommandHub.engine and (python or platforms):
        raise FleetError(
            f"--python and --probe-for are of engine {CommandHub.engine}: a function has the Python of its runtime"
        )
    wanted = partial(
        Wanted, tolerated=tolerated, stays=not no_wait, python=python, platforms=tuple(map(_platform, platforms))
    )
    with ExitStack() as stack:
        session = _session(stack, options)
        name = new_name()
        folder_of(name, name, _Where(options))  # refused before anything is started
        written = session.write(
            name, target, lambda topology: _paced(topology, options), only_region=options["only_region"]
        )
        click.echo(written.because, err=True)
        with session.stopped_by_interrupt(name):
            not_started = session.start(name, written, wanted)
            if no_wait:
                for region, why in not_started.items():
                    click.echo(f"not started in {region}: {why}", err=True)
                click.echo(f"started; collect it with: brokerproof fleet collect {name}")
                return
            sys.exit(session.collect(session.parts(f"{name}/{name}"), _Where(options), not_started))


@fleet.command("publish")
@_TARGET
@click.argument("name")
@_hub
@_pace
@as_sentences
def publish(target: Path, name: str, **options: Any) -> None:
    """Write the plans of TARGET as the set NAME, for a schedule to run; print what the schedule starts with.

    With several hubs that is printed by Region: each hub has a schedule of its own.
    """
    with ExitStack() as stack:
        session = _session(stack, options)
        session.see_that_schedules_start(check_name(name, "set"), Wanted(1))
        written = session.write(
            name, target, lambda topology: _paced(topology, options), only_region=options["only_region"]
        )
        click.echo(written.because, err=True)
        inputs = session.inputs_of(name, written, Wanted)
        click.echo(json.dumps(inputs if len(session.hubs) > 1 else next(iter(inputs.values())), indent=2))


@fleet.command("status")
@click.argument("which", metavar="SET[/RUN]")
@_hub
@as_sentences
def status(which: str, **options: Any) -> None:
    """Say how far a run is: how many clients have answered, and what the engine says.

    Exit codes: 0 all have answered; 3 not all have, yet or for good.
    """
    with ExitStack() as stack:
        session = _session(stack, options)
        counted = session.count(session.parts(which))
        click.echo(counted.words)
        sys.exit(0 if counted.answered == counted.clients else COULD_NOT)


@fleet.command("collect")
@click.argument("which", metavar="SET[/RUN]")
@_hub
@_reports
@as_sentences
def collect(which: str, **options: Any) -> None:
    """Report a run that was started elsewhere, such as by a schedule: the newest of SET, or the one named.

    Exit codes as of `brokerproof fleet run`; Ctrl-C leaves the execution as it is.
    """
    with ExitStack() as stack:
        session = _session(stack, options)
        sys.exit(session.collect(session.parts(which), _Where(options)))


@fleet.command("history")
@click.argument("name", metavar="SET")
@_hub
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), default=STORE, show_default=True, help="The history."
)
@as_sentences
def history(name: str, *, store: Path, **options: Any) -> None:
    """Append every run of SET that the bucket has and the history lacks; then `brokerproof history` shows them."""
    with ExitStack() as stack:
        appended = _session(stack, options).catch_up(check_name(name, "set"), store)
    click.echo(f"appended {appended} runs to {store}; brokerproof history --store {store} shows them")


@fleet.command("function")
@click.option("--architecture", type=click.Choice(sorted(MACHINES)), default="arm64", show_default=True)
@click.option("--python", metavar="X.Y", default=PYTHON, show_default=True, help="Of the runtime.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The zip.")
@as_sentences
def function(architecture: str, python: str, output: Path) -> None:
    """Make the zip of the probe's Lambda function."""
    made = function_bundle(architecture, python)
    try:
        shutil.copyfile(made.path, output)
    except OSError as error:
        raise Said(f"{output}: cannot be written: {error.strerror or error}", COULD_NOT) from None
    click.echo(f"{output}: {made.size / 1e6:.1f} MB, SHA-256 {made.sha256}; handler {HANDLER}, python{python}")


@fleet.command("machine")
@as_sentences
def machine() -> None:
    """Print the state machine's definition."""
    click.echo(json.dumps(definition(), indent=2))


@fleet.command("policy")
@click.argument("who", type=click.Choice([who.value for who in Who]))
@_hub
@click.option("--client", default="*", show_default=True, help="Of function and invoker: whose.")
@as_sentences
def policy(who: str, client: str, **options: Any) -> None:
    """Print the least IAM policy of a role: every action that is called, on what it is called on, and no more."""
    hubs = _hubs(options)
    if len(hubs) > 1:
        raise FleetError("a policy is of one hub; give one of each option")
    click.echo(json.dumps(policy_of(Who(who), hubs[0], client), indent=2))


def new_name() -> str:
    """Of a run, as every run's."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class _Where:
    """Where a run's reports go."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.run_dir: Path | None = options["run_dir"]
        self.history: Path | None = options["history"]
        self.reports: tuple[str, ...] = options["reports"]


def _session(stack: ExitStack, options: dict[str, Any]) -> Session:
    return stack.enter_context(opened(_hubs(options)))


def _hubs(options: dict[str, Any]) -> tuple[Hub, ...]:
    machines, regions, buckets = options["state_machines"], options["regions"], options["buckets"]
    by_command = options["engine"] == CommandHub.engine
    named, option = (regions, "--region") if by_command else (machines, "--state-machine")
    if not named:
        raise FleetError(
            f"engine {options['engine']} needs {option} beside --bucket; docs/fleet.md says what is deployed"
        )
    if len(named) != len(buckets):
        what = "Regions" if by_command else "state machines"
        raise FleetError(
            f"{len(named)} {what} and {len(buckets)} buckets: give {option} and --bucket of each hub, in the same order"
        )
    of_engine: Callable[..., Hub] = CommandHub if by_command else MachineHub
    return tuple(of_engine(one, bucket, options["prefix"]) for one, bucket in zip(named, buckets, strict=True))


def _platform(words: str) -> FarPlatform:
    """``3.11/aarch64`` or ``3.12/x86_64/musl``.

    Raises:
        FleetError: it is neither.
    """
    parts = _PLATFORM.fullmatch(words)
    if parts is None:
        raise FleetError(f"--probe-for {words}: expected PYTHON/MACHINE or PYTHON/MACHINE/LIBC, such as 3.11/aarch64")
    return FarPlatform(parts["python"], parts["machine"], parts["libc"] or "glibc")


def _paced(topology: Any, options: dict[str, Any]) -> Pace:
    return pace_of(topology, connections_per_s=options["connections_per_s"], at_once=options["at_once"])
