"""``brokerproof change``: watch a change, and say whether it is accepted, rejected or not comparable."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from brokerproof.change.declaration import NOTHING, Declaration, load_declaration
from brokerproof.change.judgement import Answer, Judgement, judge_change
from brokerproof.change.look import Look
from brokerproof.change.paired import Paired, check_beside, pairs
from brokerproof.change.report import html, junit, lines_of
from brokerproof.change.session import SETTLE_S, ChangeError, Watching, carry_out, look, watched_clients
from brokerproof.cli.canary import Duration
from brokerproof.cli.endings import COULD_NOT, NOT_RIGHT, WRONG_USE, Said, as_sentences
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.survival.values import MOST_S, SurvivalReport
from brokerproof.reports.files import write_atomically
from brokerproof.running.site import load_target
from brokerproof.running.survivors import survivors_command
from brokerproof.topology.models import Topology

CODES: Final = {Answer.ACCEPTED: 0, Answer.REJECTED: NOT_RIGHT, Answer.NOT_COMPARABLE: COULD_NOT}
BEGUN: Final = "begun.json"
STEADY: Final = "steady"
TROUBLE: Final = "trouble"
NOTICED: Final = "noticed.json"
KEEPER: Final = "keeper"
STARTED_S: Final = 360.0
ENDED_S: Final = 180.0


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was begun and is not ended yet."""

    target: str
    clients: tuple[str, ...]
    keeper: int
    at: float
    before: Look


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """What survivors noticed, kept for who ends the change."""

    reports: tuple[SurvivalReport, ...]
    troubles: tuple[str, ...]


class _Change(click.Group):
    """A group whose command `run` needs no name: `change TARGET -- COMMAND`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("change", cls=_Change)
def change() -> None:
    """Watch a change, and say whether it is accepted or rejected.

    `brokerproof change mine.yaml --declare declared.yaml -- terraform apply` watches a command. `brokerproof change
    begin` and `brokerproof change end` stand around a change that is made elsewhere.
    """


_declare = click.option(
    "--declare",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="What the change may alter [default: nothing].",
)
_clients = click.option(
    "--client", "clients", multiple=True, help="Only this client; may be given again [default: all of a pattern]."
)
_state = click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results") / "change",
    show_default=True,
    help="Where the begun change is kept.",
)
_settle = click.option(
    "--settle",
    type=Duration(),
    default=f"{SETTLE_S:g}s",
    show_default=True,
    help="How long is watched after the change.",
)
_output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Where the reports go [default: results/change-TIME].",
)


@change.command("run", context_settings={"ignore_unknown_options": False})
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@_declare
@_clients
@_settle
@_output
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@as_sentences
def change_run(
    target: Path,
    *,
    declare: Path | None,
    clients: tuple[str, ...],
    settle: float,
    output: Path | None,
    command: tuple[str, ...],
) -> None:
    """Verify, run COMMAND while clients live through it, verify again, and judge.

    Exit codes: 0 accepted; 1 rejected; 3 not comparable, or it could not be carried out; 2 wrong use.
    """
    topology, declared = _target(target), _declared(declare)
    chosen = watched_clients(topology, clients)
    measure = declared.latency is not None
    check_beside(topology, _beside(declared))
    _say(f"verifying {len(chosen)} clients before the change")
    before = look(topology, chosen, measure=measure)
    with Watching(topology, chosen, lab=None, progress=_say) as watching:
        _say(f"running: {' '.join(command)}")
        began = time.time()
        failed = carry_out(command)
        ended = time.time()
        _say(f"the command took {ended - began:.1f} s; watching for {settle:g} s more")
        time.sleep(settle)
        survivals, troubles = watching.reports()
    _say("verifying after the change")
    # The command may have written the file: what must be seen afterwards is what it says then.
    topology = _target(target)
    after = look(topology, watched_clients(topology, [client.name for client in chosen]), measure=measure)
    _end(
        judge_change(
            before,
            after,
            survivals,
            declared,
            command_began=began,
            command_ended=ended,
            command_failed=failed,
            troubles=troubles,
            paired=_paired(topology, declared),
        ),
        output,
    )


@change.command("begin")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@_state
@_clients
@as_sentences
def change_begin(target: Path, *, folder: Path, clients: tuple[str, ...]) -> None:
    """Verify, and leave clients running that will live through the change.

    Exit codes: 0 begun; 2 wrong use; 3 could not be begun.
    """
    topology = _target(target)
    chosen = watched_clients(topology, clients)
    if (folder / BEGUN).exists():
        raise Said(f"{folder}: a change was begun there and not ended: brokerproof change end", WRONG_USE)
    for client in chosen:
        survivors_command(client, None)  # before anything is verified: a client may have no way that keeps a process
    folder.mkdir(parents=True, exist_ok=True)
    for name in (STEADY, TROUBLE, NOTICED):
        (folder / name).unlink(missing_ok=True)
    _say(f"verifying {len(chosen)} clients before the change")
    before = look(topology, chosen, measure=True)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "brokerproof", "change", "keep", str(target), str(folder), *clients],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(folder, keeper)
    except BaseException:
        with suppress(ProcessLookupError):
            keeper.terminate()
        raise
    begun = Begun(target=str(target.resolve()), clients=clients, keeper=keeper.pid, at=time.time(), before=before)
    write_atomically(folder / BEGUN, encode_json(begun))
    click.echo(f"begun: make the change, then: brokerproof change end --state {folder}")


def _await(folder: Path, keeper: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTED_S
    while not (folder / STEADY).exists():
        if (folder / TROUBLE).exists() or keeper.poll() is not None or time.monotonic() > until:
            why = (folder / TROUBLE).read_text() if (folder / TROUBLE).exists() else "its survivors did not start"
            raise ChangeError(why)
        time.sleep(0.1)


@change.command("keep", hidden=True)
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("clients", nargs=-1)
def change_keep(target: Path, folder: Path, clients: tuple[str, ...]) -> None:
    """Keep survivors alive until this process is told to end; write down what they noticed."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    topology = load_target(target)
    try:
        with (
            _keeping(folder),
            Watching(topology, watched_clients(topology, clients), lab=None, progress=_quiet) as watching,
        ):
            (folder / STEADY).touch()
            over.wait(MOST_S)
            reports, troubles = watching.reports()
    except ChangeError as problem:
        write_atomically(folder / TROUBLE, str(problem).encode())
        return
    write_atomically(folder / NOTICED, encode_json(Noticed(reports=reports, troubles=troubles)))


@change.command("end")
@_state
@_declare
@_settle
@_output
@as_sentences
def change_end(*, folder: Path, declare: Path | None, settle: float, output: Path | None) -> None:
    """Ask the clients that lived through the change, verify again, and judge.

    Exit codes: 0 accepted; 1 rejected; 3 not comparable, or it could not be carried out; 2 wrong use.
    """
    declared = _declared(declare)
    try:
        begun = msgspec.json.decode((folder / BEGUN).read_bytes(), type=Begun)
    except FileNotFoundError:
        raise Said(f"{folder}: no change was begun there: brokerproof change begin TARGET", WRONG_USE) from None
    except msgspec.DecodeError as wrong:
        raise Said(f"{folder / BEGUN}: {wrong}", WRONG_USE) from None
    topology = _target(Path(begun.target))
    check_beside(topology, _beside(declared))
    ended = time.time()
    _say(f"watching for {settle:g} s more")
    time.sleep(settle)
    noticed = _noticed(folder, begun)
    _say("verifying after the change")
    after = look(topology, watched_clients(topology, begun.clients), measure=declared.latency is not None)
    judgement = judge_change(
        begun.before,
        after,
        noticed.reports,
        declared,
        command_began=begun.at,
        command_ended=ended,
        troubles=noticed.troubles,
        paired=_paired(topology, declared),
    )
    _end(judgement, output, begun=folder / BEGUN)


@contextmanager
def _keeping(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: who has it is the keeper, whatever became of its number."""
    with (folder / KEEPER).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_kept(folder: Path) -> bool:
    """Whether the keeper lives."""
    try:
        with (folder / KEEPER).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _noticed(folder: Path, begun: Begun) -> Noticed:
    if _is_kept(folder):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(begun.keeper, signal.SIGTERM)
    until = time.monotonic() + ENDED_S
    while not (folder / NOTICED).exists() and time.monotonic() < until and _is_kept(folder):
        time.sleep(0.1)
    try:
        return msgspec.json.decode((folder / NOTICED).read_bytes(), type=Noticed)
    except (FileNotFoundError, msgspec.DecodeError):
        return Noticed(reports=(), troubles=("the clients that were to live through the change are gone",))


def _target(target: Path) -> Topology:
    if not target.is_file():
        raise Said(f"{target} is not a file: a change is watched from the clients of a topology file", WRONG_USE)
    return load_target(target)


def _declared(path: Path | None) -> Declaration:
    return NOTHING if path is None else load_declaration(path)


def _beside(declared: Declaration) -> dict[str, str]:
    return {} if declared.latency is None else declared.latency.beside


def _paired(topology: Topology, declared: Declaration) -> tuple[Paired, ...]:
    beside = _beside(declared)
    if beside:
        _say(f"timing {', '.join(beside)} in turns with who goes the old way")
    return pairs(topology, beside, lab=None)


def _end(judgement: Judgement, output: Path | None, *, begun: Path | None = None) -> None:
    """Print it, write it down, and end with its code; until all is written, what was ``begun`` can be ended again."""
    folder = output or Path("results") / f"change-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Callable[[], bytes]] = {
        "change.html": lambda: html(judgement).encode(),
        "junit.xml": lambda: junit(judgement),
        "change.json": lambda: encode_json(judgement),
    }
    for line in lines_of(judgement):
        click.echo(line)
    click.echo("")
    for name, made in files.items():
        write_atomically(folder / name, made())
        click.echo(f"{name.partition('.')[0]}: {folder / name}")
    if begun is not None:
        begun.unlink(missing_ok=True)
    sys.exit(CODES[judgement.answer])


def _say(text: str) -> None:
    click.echo(f"change: {text}", err=True)


def _quiet(_text: str) -> None:
    """Say nothing."""
