"""``brokerproof canary``: watch a target for months, hold alerts, show the last days."""

from __future__ import annotations

import getpass
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from brokerproof.canary.established import Staying
from brokerproof.canary.events import HoldChanged
from brokerproof.canary.hold import Hold
from brokerproof.canary.json_lines import JsonLines, Sentences, sentences_of
from brokerproof.canary.rounds import PATH, RECORDS
from brokerproof.canary.schedule import Budget
from brokerproof.canary.service import Canary, Settings, Sink, Watcher, ends_on_signals, watchers_of
from brokerproof.canary.state import Rules, State
from brokerproof.canary.store import DAY_S, FILE, FOLDER, Store
from brokerproof.canary.totals import Totals
from brokerproof.canary.watch import Snapshot, Watch
from brokerproof.cli.endings import COULD_NOT, NOT_RIGHT, WRONG_USE, Said, as_sentences
from brokerproof.errors import WrongUseError
from brokerproof.extras import Extra, require
from brokerproof.probes.survival.values import SLOWEST_MS
from brokerproof.reports.environment import describe_tool
from brokerproof.reports.files import write_atomically
from brokerproof.running.site import load_target, open_client
from brokerproof.running.survivors import ESTABLISHED, survival_plan, survivors_command
from brokerproof.topology.models import Topology

LISTEN: Final = "127.0.0.1:9464"
TOKEN_VARIABLE: Final = "BROKERPROOF_CANARY_TOKEN"  # noqa: S105  the name of a variable
MOST_S: Final = 366 * 86_400
"""Clients that stay end with the canary."""
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}
_LONGEST_S: Final = 3650 * DAY_S
_MOST_PORT: Final = 65_535


class Duration(click.ParamType[float]):
    """A time such as 30s, 5m, 2h, 1d; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", str(value).strip())
        if found is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is no time: write it as 30s, 5m, 2h or 1d", param, ctx)
        found_s = float(found[1]) * _UNITS_S[found[2] or "s"]
        if found_s > _LONGEST_S:
            self.fail(f"{value!r} is longer than ten years", param, ctx)
        return found_s


class _Canary(click.Group):
    """A group whose command `run` needs no name: `canary TARGET`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("canary", cls=_Canary)
def canary() -> None:
    """Watch a target for months, and say in time what broke.

    `brokerproof canary mine.yaml --every 60s` runs until it is ended. `brokerproof canary run --help` lists its
    options.
    """


def _state(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--state",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=FOLDER,
        show_default=True,
        help="The folder with what the canary knows.",
    )(function)


@canary.command("run")
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path, dir_okay=False))
@_state
@click.option("--every", type=Duration(), default="60s", show_default=True, help="A light round of each client.")
@click.option(
    "--deep-every", type=Duration(), default="15m", show_default=True, help="A round that looks at everything."
)
@click.option("--client", "clients", multiple=True, help="Only this client; may be given again.")
@click.option("--once", is_flag=True, help="One round of each client, then end: for cron and other schedulers.")
@click.option(
    "--established/--no-established",
    default=True,
    show_default=True,
    help="Beside the rounds keep a producer and a consumer at work, where a client has an `existing_topic`.",
)
@click.option("--at-once", type=click.IntRange(1, 256), default=8, show_default=True, help="Rounds at the same time.")
@click.option(
    "--budget",
    type=click.FloatRange(0.1, 1000),
    default=20.0,
    show_default=True,
    help="Connections a second and broker, of all clients of a cluster together.",
)
@click.option(
    "--authentications",
    type=click.FloatRange(0.1, 100),
    default=2.0,
    show_default=True,
    help="Authentications a second and broker, likewise.",
)
@click.option(
    "--failures",
    default="2/5",
    show_default=True,
    metavar="M/N",
    help="Failed: M of the last N rounds, also with successes between.",
)
@click.option("--listen", metavar="HOST:PORT", help=f"Let Prometheus scrape metrics here, e.g. {LISTEN}.")
@click.option(
    "--tls-certificate",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Scrapes by TLS, with this PEM certificate.",
)
@click.option(
    "--tls-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Its key, where it is a file of its own.",
)
@click.option("--otlp", metavar="URL", help="Export by OTLP over HTTP, e.g. http://collector:4318/v1/metrics.")
@click.option(
    "--emf",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Append CloudWatch EMF lines to this file; - is standard output.",
)
@click.option("--cloudwatch", is_flag=True, help="Send metrics to CloudWatch by PutMetricData, as this host may.")
@click.option(
    "--json",
    "json_lines",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Append every event as a line of JSON; - is standard output.",
)
@as_sentences
def canary_run(
    target: Path,
    *,
    folder: Path,
    every: float,
    deep_every: float,
    clients: tuple[str, ...],
    once: bool,
    established: bool,
    at_once: int,
    budget: float,
    authentications: float,
    failures: str,
    **exports: Any,
) -> None:
    """Watch the clients of a topology file until this is ended by SIGTERM or Ctrl-C.

    Light rounds look at names, at every address up to the broker's identity, and, where the client has an
    `existing_topic`, at records and its group. A token in the variable BROKERPROOF_CANARY_TOKEN guards the scrape
    endpoint.

    Exit codes: 0 ended as told; with --once 0 nothing alerts, 1 a path is not as it must be, 3 nobody could look;
    2 wrong use; 3 could not be carried out.
    """
    if not target.is_file():
        raise Said(f"{target} is not a file: the canary watches the clients of a topology file", WRONG_USE)
    topology = load_target(target)
    unknown = set(clients) - {client.name for client in topology.clients}
    if unknown:
        raise Said(f"{target} has no client {', '.join(sorted(unknown))}", WRONG_USE)
    settings = Settings(
        every_s=every,
        deep_every_s=deep_every,
        at_once=at_once,
        budget=Budget(connections_per_s=budget, authentications_per_s=authentications),
    )
    watchers = watchers_of(topology, clients, settings)
    views = tuple(each.view for each in watchers)
    staying = _keep_clients(topology, watchers) if established and not once else frozenset[str]()
    with ExitStack() as stack:
        store = stack.enter_context(Store(folder, watch=True))
        now = time.time()
        watch = Watch(
            views,
            store,
            every_s=every,
            deep_every_s=deep_every,
            rules=_rules(failures),
            now=now,
            established=staying,
        )
        totals = Totals(views, (*PATH, *RECORDS))
        sinks = stack.enter_context(_sinks(watch, totals, target.name, every, exports))
        running = Canary(
            watchers, watch, totals, sinks, open_client=lambda client: open_client(client, None), settings=settings
        )
        stack.callback(ends_on_signals(running))
        _say_start(target, watchers, every, folder, once=once)
        whole = running.run(rounds=1 if once else None)
        code = (_code_of(watch.snapshot(time.time())) or (0 if whole else COULD_NOT)) if once else 0
    sys.exit(code)


def _keep_clients(topology: Topology, watchers: Sequence[Watcher]) -> frozenset[str]:
    """Give each client with a topic clients that stay; their names."""
    names = set()
    for each in watchers:
        if each.client.existing_topic:
            try:
                command = survivors_command(each.client, None, module=ESTABLISHED)
            except WrongUseError as problem:
                click.echo(f"canary: no clients stay beside the rounds: {problem}", err=True)
                continue
            plan = msgspec.structs.replace(survival_plan(topology, each.client), every_ms=SLOWEST_MS, most_s=MOST_S)
            each.staying = Staying(each.client.name, command, plan)
            names.add(each.client.name)
    return frozenset(names)


def _rules(failures: str) -> Rules:
    found = re.fullmatch(r"(\d+)/(\d+)", failures)
    if found is None:
        raise Said(f"--failures {failures!r}: it is written M/N, e.g. 2/5", WRONG_USE)
    try:
        return Rules(failures=int(found[1]), of=int(found[2]))
    except ValueError as wrong:
        raise Said(f"--failures {failures}: {wrong}", WRONG_USE) from None


def _say_start(target: Path, watchers: Sequence[Watcher], every: float, folder: Path, *, once: bool) -> None:
    how = "once" if once else f"every {every:g} s"
    click.echo(f"canary: {len(watchers)} clients of {target}, {how}; state in {folder}", err=True)


def _code_of(snapshot: Snapshot) -> int:
    states = set(snapshot.states.values())
    if states & {State.FAILED, State.FLAPPING}:
        return NOT_RIGHT
    return COULD_NOT if any(state.alerts for state in states) else 0


@contextmanager
def _sinks(watch: Watch, totals: Totals, target: str, every_s: float, exports: dict[str, Any]) -> Iterator[list[Sink]]:
    """Everything that takes events, and the scrape endpoint; closed at the end."""
    version = describe_tool().version
    with ExitStack() as stack:
        sinks: list[Sink] = []
        json_lines, emf = exports["json_lines"], exports["emf"]
        if "-" not in {str(json_lines), str(emf)}:
            sinks.append(Sentences())
        if json_lines is not None:
            sinks.append(JsonLines(stack.enter_context(_out(json_lines))))
        if emf is not None:
            from brokerproof.canary.emf import EmfLines  # noqa: PLC0415  only where it is asked for

            sinks.append(EmfLines(stack.enter_context(_out(emf)), watch.snapshot, target=target))
        if exports["cloudwatch"]:
            require(Extra.AWS, "--cloudwatch")
            import boto3  # noqa: PLC0415  an extra

            from brokerproof.canary.cloudwatch import CloudWatch  # noqa: PLC0415  likewise

            sinks.append(CloudWatch(boto3.session.Session, watch.snapshot, target=target))
        if exports["otlp"]:
            require(Extra.OTLP, "--otlp")
            from brokerproof.canary.otlp import Otlp  # noqa: PLC0415  the SDK is an extra, and slow to import

            sinks.append(Otlp(exports["otlp"], partial(_now, watch), target=target, version=version))
        for sink in sinks:
            stack.callback(sink.close)
        if exports["listen"]:
            stack.callback(_endpoint(watch, totals, target, version, every_s=every_s, exports=exports))
        yield sinks


def _now(watch: Watch) -> Snapshot:
    return watch.snapshot(time.time())


def _endpoint(
    watch: Watch,
    totals: Totals,
    target: str,
    version: str,
    *,
    every_s: float,
    exports: dict[str, Any],
) -> Callable[[], None]:
    require(Extra.CANARY, "--listen")
    from brokerproof.canary.metrics import Measurements  # noqa: PLC0415  an extra, likewise
    from brokerproof.canary.prometheus import Endpoint, Exported  # noqa: PLC0415

    host, _, port = str(exports["listen"]).rpartition(":")
    if not host or not port.isdecimal() or int(port) > _MOST_PORT:
        raise Said(f"--listen {exports['listen']!r}: it is written HOST:PORT, e.g. {LISTEN}", WRONG_USE)
    if exports["tls_key"] is not None and exports["tls_certificate"] is None:
        raise Said("--tls-key without --tls-certificate: give the certificate of that key too", WRONG_USE)
    measurements = Measurements(version=version, target=target, every_s=every_s)
    endpoint = Endpoint(
        Exported(measurements, partial(_now, watch), totals),
        host=host.strip("[]"),
        port=int(port),
        token=os.environ.get(TOKEN_VARIABLE, ""),
        certificate=exports["tls_certificate"],
        key=exports["tls_key"],
    )
    click.echo(f"canary: metrics at {host}:{endpoint.port}/metrics", err=True)
    return endpoint.close


@contextmanager
def _out(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    try:
        file = path.open("ab")
    except OSError as problem:
        raise Said(f"{path}: cannot be written: {problem.strerror}", COULD_NOT) from None
    with file:
        yield file


@canary.command("hold")
@_state
@click.option("--for", "long_s", type=Duration(), default="1h", show_default=True, help="How long.")
@click.option("--client", default="", help="Only this client.")
@click.option("--broker", default="", help="Only this broker: broker-N, bootstrap, cluster or isolation.")
@click.option("--why", default="", help="What is being done.")
@click.option("--who", default=None, help="Who holds [default: this user].")
@click.option("--end", is_flag=True, help="End every hold now.")
@click.option("--list", "listed", is_flag=True, help="Only list the holds.")
@as_sentences
def canary_hold(
    *, folder: Path, long_s: float, client: str, broker: str, why: str, who: str | None, end: bool, listed: bool
) -> None:
    """Keep alerts back while somebody works on the path; rounds go on.

    Exit codes: 0 done, 2 wrong use, 3 the store cannot be used.
    """
    _require_kept(folder)
    now = time.time()
    with Store(folder, watch=False) as store:
        _require_watched(store, client=client, broker=broker)
        if end:
            for hold in store.end_holds(now):
                _print_hold(hold, now, began=False)
        elif not listed:
            placed = Hold(since=now, until=now + long_s, who=who or _user(), why=why, client=client, broker=broker)
            store.hold(placed)
        for hold in store.holds(now):
            click.echo(_hold_words(hold))


@canary.command("page")
@_state
@click.option("--last", "long_s", type=Duration(), default="7d", show_default=True, help="How far back.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("canary.html"),
    show_default=True,
    help="Where the page goes.",
)
@as_sentences
def canary_page(*, folder: Path, long_s: float, output: Path) -> None:
    """Write the last days as one page: each client and broker, and what was named when.

    Exit codes: 0 written, 2 wrong use, 3 the store cannot be used.
    """
    from brokerproof.canary.page import page  # noqa: PLC0415  jinja2 is slow to import, and this alone needs it

    _require_kept(folder)
    now = time.time()
    with Store(folder, watch=False) as store:
        text = page(
            store.hours(now - long_s),
            store.changes(now - long_s),
            store.holds_since(now - long_s),
            since=now - long_s,
            now=now,
            name=folder.name,
        )
    write_atomically(output, text.encode())
    click.echo(f"page: {output}")


def _require_kept(folder: Path) -> None:
    if not (folder / FILE).exists():
        raise Said(f"{folder}: no canary has kept anything there; --state names another folder", WRONG_USE)


def _require_watched(store: Store, *, client: str, broker: str) -> None:
    """Refuse to hold what nobody watches, as a name that is written wrong."""
    watched = store.standings()
    for what, given, known in (
        ("client", client, {each.client for each in watched}),
        ("broker", broker, {each.broker for each in watched}),
    ):
        if given and given not in known:
            raise Said(f"no {what} {given} is watched there: {', '.join(sorted(known))}", WRONG_USE)


def _print_hold(hold: Hold, now: float, *, began: bool) -> None:
    event = HoldChanged(
        at=now, client=hold.client, broker=hold.broker, until=hold.until, who=hold.who, why=hold.why, began=began
    )
    for line in sentences_of(event):
        click.echo(line)


def _hold_words(hold: Hold) -> str:
    what = " ".join(part for part in (hold.client, hold.broker) if part) or "everything"
    until = datetime.fromtimestamp(hold.until, UTC)
    why = f": {hold.why}" if hold.why else ""
    return f"{what} is held until {until:%Y-%m-%d %H:%M:%S} UTC, by {hold.who}{why}"


def _user() -> str:
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return f"user {os.getuid()}"
