"""``brokerproof lab``: build labs on this machine, look at them, break them, and end them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from brokerproof.cli.endings import as_sentences
from brokerproof.cli.lab_aws import PORT, lab_aws, start_beside, write_intent
from brokerproof.cli.late import LateCommand
from brokerproof.cli.pattern_options import options_of, topology_of
from brokerproof.extras import Extra, require
from brokerproof.lab.daemons import crypto, jvm, kafka_dist, maven
from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life import preflight
from brokerproof.lab.life.handle import Lab, run_in_client
from brokerproof.lab.life.lab_socket import running_labs
from brokerproof.lab.network.distance import distance_text, links_text
from brokerproof.lab.twin import as_twin
from brokerproof.topology.files import dumps
from brokerproof.topology.models import ClientVantage, Topology, VantageKind
from brokerproof.topology.patterns import PatternOptions
from brokerproof.vantages.local import this_probe


@click.group()
def lab() -> None:
    """Run the lab: real Kafka brokers, resolvers and packet paths on this machine."""


def named(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option that names the lab."""
    return click.option("--name", default=None, help="Which lab; not needed while only one runs.")(function)


@lab.command("up")
@click.argument("what", metavar="TOPOLOGY|PATTERN")
@click.option("--name", default="lab", show_default=True, help="The name of the lab.")
@click.option(
    "--write-target",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write a topology file whose clients are this lab's, for `brokerproof verify FILE`.",
)
@click.option(
    "--aws",
    "intent_file",
    metavar="INTENT",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Answer the AWS API for the lab too, and write an intent file for `discover`, `audit` and `verify`.",
)
@click.option("--aws-port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where, on loopback.")
@options_of(PatternOptions)
@as_sentences
def lab_up(
    what: str, *, name: str, write_target: Path | None, intent_file: Path | None, aws_port: int, **chosen: Any
) -> None:
    """Build a lab of a topology file or a pattern and leave it running.

    `brokerproof topology show --help` lists the patterns.
    """
    topology = as_twin(topology_of(what, chosen))
    if intent_file is not None:
        require(Extra.AWS, "answering the AWS API")
    console = Console(stderr=True, highlight=False)
    with console.status("starting") as status:

        def progress(text: str) -> None:
            console.print(f"  {text}")
            status.update(text)

        running = Lab.start(topology, name=name, progress=progress)
    try:
        if write_target is not None:
            write_target.write_text(dumps(_as_target(topology, name)), encoding="utf-8")
        distance = running.status()["distance"]
        if intent_file is not None:
            from brokerproof.aws.answers.intent import intent_of  # noqa: PLC0415 - boto3 is an extra

            intent = intent_of(_as_target(topology, name))
            write_intent(intent, intent_file)
            asked = start_beside(name, intent, aws_port)
        running.detach()
    except BaseException:
        running.stop()
        raise
    running.close()
    clients = ", ".join(running.clients)
    click.echo(f"lab {name} is up: {topology.name}, clients {clients}")
    click.echo(f"  distance: {distance_text(distance)}")
    for regions, words in links_text(distance):
        click.echo(f"    {regions}: {words}")
    click.echo(f"  try:  brokerproof lab exec {next(iter(running.clients))} -- dig +short {_first_broker(topology)}")
    if write_target is not None:
        click.echo(f"  or:   brokerproof verify {write_target}")
    if intent_file is not None:
        click.echo("  AWS:  its accounts answer in a shell that says")
        click.echo(f"        {asked}")
        click.echo(f"        and then: brokerproof audit {intent_file}; brokerproof verify {intent_file}")
    click.echo(f"  end:  brokerproof lab down --name {name}")


def _first_broker(topology: Topology) -> str:
    return topology.clusters[0].brokers[0].endpoint


def _as_target(topology: Topology, name: str) -> Topology:
    """The same topology with each client reached through `lab exec`."""
    command = (sys.executable, "-m", "brokerproof", "lab", "exec", "--name", name)
    clients = tuple(
        client.model_copy(
            update={
                "vantage": ClientVantage(
                    kind=VantageKind.EXEC,
                    command=(*command, client.name, "--"),
                    python=sys.executable,
                    environment=this_probe(),
                )
            }
        )
        for client in topology.clients
    )
    return topology.model_copy(update={"clients": clients})


@lab.command("status")
@click.option("--name", default=None, help="Only this lab.")
@as_sentences
def lab_status(name: str | None) -> None:
    """Show the running labs: brokers, clients, resolvers, distance."""
    names = (name,) if name is not None else running_labs()
    if not names:
        click.echo("no lab is running")
    for each in names:
        running = Lab.attach(each)
        state = running.status()
        running.close()
        table = Table(
            title=f"lab {each}: {state['topology']['name']}, Kafka {state['kafka_version']}", title_justify="left"
        )
        table.add_column("what")
        table.add_column("state")
        for broker, text in state["brokers"].items():
            table.add_row(f"broker {broker}", text)
        for resolver in state["resolvers"]:
            table.add_row(f"resolver of {resolver['vpc_id']}", resolver["address"])
        for client, namespace in state["clients"].items():
            table.add_row(f"client {client}", namespace)
        table.add_row("distance", distance_text(state["distance"]))
        for regions, words in links_text(state["distance"]):
            table.add_row(f"distance {regions}", words)
        lost, dropped = (state["distance"].get(what, 0) for what in ("lost", "dropped"))
        if lost or dropped:
            table.add_row("packets", f"{lost} lost as asked, {dropped} dropped: a full queue, or the other side down")
        table.add_row("up for", f"{state['uptime_s']:.0f} s")
        if state["unknown"]:
            table.add_row("UNKNOWN", state["unknown"])
        Console(highlight=False).print(table)


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@named
@click.argument("client")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@as_sentences
def lab_exec(name: str | None, client: str, command: tuple[str, ...]) -> None:
    """Run a command on a client host of the lab: dig, openssl, kcat, python -m brokerproof.probes, a shell.

    The certificate authority of the lab's brokers is /run/brokerproof/tls/ca.pem there.
    """
    running = Lab.attach(name)
    code = run_in_client(running, client, command[1:] if command[0] == "--" else command)
    running.close()
    sys.exit(code)


@lab.command("down")
@named
@click.option("--all", "every", is_flag=True, help="End every lab of this user.")
@as_sentences
def lab_down(name: str | None, every: bool) -> None:
    """End a lab and everything in it."""
    for each in running_labs() if every else (name,):
        running = Lab.attach(each)
        running.stop()
        click.echo(f"lab {running.name} has ended")


@lab.command("break")
@click.argument("fault", type=click.Choice(sorted(FAULTS)))
@named
@as_sentences
def lab_break(fault: str, name: str | None) -> None:
    """Put a fault into a running lab; `lab heal` takes it out again."""
    running = Lab.attach(name)
    chosen = FAULTS[fault]
    why_not = chosen.why_not(running.intended)
    if why_not:
        running.close()
        raise LabError(why_not)
    running.apply(chosen.edit(running.topology), lambda text: click.echo(f"  {text}", err=True))
    running.close()
    click.echo(f"lab {running.name}: {chosen.title}")


@lab.command("heal")
@named
@as_sentences
def lab_heal(name: str | None) -> None:
    """Take every fault out of a running lab."""
    running = Lab.attach(name)
    running.apply(running.intended, lambda text: click.echo(f"  {text}", err=True))
    running.close()
    click.echo(f"lab {running.name} is as it was built")


@lab.command("fetch")
@click.option(
    "--kafka-version", default=None, help="The Kafka version [default: BROKERPROOF_KAFKA_VERSION or the built-in]."
)
@as_sentences
def lab_fetch(kafka_version: str | None) -> None:
    """Fetch the Kafka that the lab runs with Maven, and archive its classes for a quicker start."""
    wanted = kafka_version or kafka_dist.wanted_version(os.environ)
    found = kafka_dist.fetch(wanted, lambda text: click.echo(text, err=True), environ=os.environ)
    click.echo(f"Kafka {found.version}: {len(found.jars)} jars ({found.source.value})")
    try:
        crypto.fetch(os.environ)
    except (maven.MavenError, OSError) as error:
        click.echo(f"{error}. {crypto.WITHOUT}", err=True)
    java = preflight.find_java(os.environ)
    if java is None:
        return
    try:
        jvm.make(found, java, environ=os.environ, python=Path(sys.executable))
    except jvm.ArchiveError as error:
        click.echo(f"{error}. Without the archive the lab's brokers start slower.", err=True)


lab.add_command(lab_aws)
lab.add_command(
    LateCommand(
        "try",
        "brokerproof.cli.lab_try:lab_try",
        "Try a planned change on a running lab: which paths of its clients would break, and why.",
    )
)
lab.add_command(
    LateCommand(
        "prove",
        "brokerproof.cli.prove:lab_prove",
        "Put every fault into the lab, diagnose it, and count how often the diagnosis is right.",
    )
)
