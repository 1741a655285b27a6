"""``brokerproof lab aws``: the AWS API of a lab, or of a topology that nothing runs, on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from brokerproof.aws.intent.files import dumps_intent
from brokerproof.aws.intent.models import Intent, account_of
from brokerproof.cli.endings import as_sentences
from brokerproof.cli.pattern_options import topology_of
from brokerproof.extras import Extra, require
from brokerproof.lab.errors import LabError
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.life.lab_socket import running_labs
from brokerproof.topology.models import Topology

PORT: Final = 4599
_LOOKS_S: Final = 1.0
_AS_IT_WAS_S: Final = 0.2
_UP_S: Final = 60


class LabNow:
    """What a lab is at the moment, faults included; asked for at most a few times a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._asked_s = 0.0
        self._known: Topology | None = None

    def __call__(self) -> Topology:
        """The topology.

        Raises:
            LabError: the lab is gone.
        """
        with self._lock:
            if self._known is None or time.monotonic() - self._asked_s > _AS_IT_WAS_S:
                lab = Lab.attach(self._name)
                self._known = lab.topology
                lab.close()
                self._asked_s = time.monotonic()
            return self._known


@click.command("aws")
@click.option("--name", default=None, help="Which lab; not needed while only one runs.")
@click.option("--of", "what", metavar="TOPOLOGY|PATTERN", default=None, help="Answer for this, without a lab.")
@click.option("--fault", type=click.Choice(sorted(FAULTS)), metavar="FAULT", default=None, help="With --of: broken so.")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where, on loopback.")
@click.option(
    "--intent",
    "intent_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write an intent file for its clients.",
)
@as_sentences
def lab_aws(name: str | None, what: str | None, fault: str | None, port: int, intent_file: Path | None) -> None:
    """Answer the AWS API as the accounts of a lab would, as the lab is at each call, until Ctrl-C or the lab's end.

    `discover`, `audit`, `verify`, boto3 and the `aws` command take it by AWS_ENDPOINT_URL. It reads alone, and
    listens on loopback.
    """
    require(Extra.AWS, "answering the AWS API")
    now, intended, alive = _source(name, what, fault)
    serve(now, intended, port=port, intent_file=intent_file, alive=alive)


def _source(
    name: str | None, what: str | None, fault: str | None
) -> tuple[Callable[[], Topology], Topology, Callable[[], bool]]:
    """What answers, what was meant, and whether it is still there."""
    if what is not None:
        intended = topology_of(what, {})
        if fault is not None and (why_not := FAULTS[fault].why_not(intended)):
            raise LabError(why_not)
        broken = intended if fault is None else FAULTS[fault].edit(intended)
        return (lambda: broken), intended, (lambda: True)
    if fault is not None:
        raise LabError("--fault goes with --of; a running lab is broken by `brokerproof lab break`")
    lab = Lab.attach(name)
    intended, known_as = lab.intended, lab.name
    lab.close()
    return LabNow(known_as), intended, (lambda: known_as in running_labs())


def serve(
    now: Callable[[], Topology],
    intended: Topology,
    *,
    port: int,
    intent_file: Path | None,
    alive: Callable[[], bool],
) -> None:
    """Answer until interrupted, or until what is answered for has gone."""
    from brokerproof.aws.answers.hook import Account  # noqa: PLC0415 - boto3 is an extra
    from brokerproof.aws.answers.intent import intent_of  # noqa: PLC0415 - likewise
    from brokerproof.aws.answers.server import Endpoint  # noqa: PLC0415 - likewise

    intent = intent_of(intended)
    home = account_of(intent.clusters[0])
    try:
        server = Endpoint(Account(now), home, port)
    except OSError as error:
        raise LabError(
            f"port {port} of loopback cannot be used: {error.strerror or error}; give another --port"
        ) from None
    if intent_file is not None:
        write_intent(intent, intent_file)
    click.echo(environment(server.url, home))

    def until_it_ends() -> None:
        while alive():
            time.sleep(_LOOKS_S)
        server.shutdown()

    threading.Thread(target=until_it_ends, daemon=True).start()
    with server:
        server.serve_forever()


def write_intent(intent: Intent, path: Path) -> None:
    """An intent file.

    Raises:
        LabError: it cannot be written.
    """
    try:
        path.write_text(dumps_intent(intent), encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path}: cannot be written: {error.strerror or error}") from None


def environment(url: str, home: str) -> str:
    """The line that makes boto3 and the ``aws`` command ask there, for a shell."""
    values = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": f"LAB{home}",
        "AWS_SECRET_ACCESS_KEY": "not-checked",
        "AWS_REGION": "us-east-1",
    }
    return f"export {' '.join(f'{key}={value}' for key, value in values.items())}"


def start_beside(name: str, intent: Intent, port: int) -> str:
    """Start the endpoint of a running lab in a process of its own, which ends with the lab; the shell's line for it.

    Raises:
        LabError: it does not come up.
    """
    command = [sys.executable, "-m", "brokerproof", "lab", "aws", "--name", name, "--port", str(port)]
    process = subprocess.Popen(  # it ends by itself, within a second of its lab
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    ends = time.monotonic() + _UP_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise LabError(f"the AWS endpoint did not start: {said}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return environment(f"http://127.0.0.1:{port}", account_of(intent.clusters[0]))
    process.terminate()
    raise LabError(f"the AWS endpoint did not answer at port {port} within {_UP_S} s")
