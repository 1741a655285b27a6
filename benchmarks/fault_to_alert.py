"""``python -m benchmarks.fault_to_alert``: a fault for each alert rule, and how long it took to reach a webhook.

A canary watches one client of the lab. Debian's Prometheus scrapes it and evaluates the rules that are shipped, and its
Alertmanager sends what fires by the routes that are shipped to a receiver here. Scrapes, evaluations and
Alertmanager's own waits are a second each; ``--hurried`` shortens the two waits of the rules themselves too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import msgspec
from ruamel.yaml import YAML

from benchmarks.processes import below
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.topology.edit import with_changes
from brokerproof.topology.files import dumps
from brokerproof.topology.models import ClientVantage, ServerCertificate, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.local import this_probe

DEPLOY: Final = Path(__file__).resolve().parents[1] / "deploy"
RULES: Final = DEPLOY / "prometheus" / "brokerproof-rules.yaml"
ROUTES: Final = DEPLOY / "alertmanager" / "alertmanager.example.yaml"
PATTERN, CLIENT = "privatelink_multi_nlb", "account_b"
EVERY_S: Final = 5.0
WAIT_S: Final = 150.0
STEP_S: Final = 0.1
FEW_FILES: Final = 4


class NoAlertError(Exception):
    """What was waited for did not come."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of one webhook, and when it came (monotonic seconds)."""

    at: float
    receiver: str
    name: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what was done, which alert told of it, and after how long."""

    fault: str
    alert: str
    receiver: str
    after_s: float
    said: str


class Receiver:
    """Takes Alertmanager's webhooks and keeps what they say."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        outer = self

        class Taken(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.alarms += [alarm_of(self.path.strip("/"), each) for each in told["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the library's
                """Write no line a webhook."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taken)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def firing(self, name: str, since: float) -> Alarm | None:
        """The first webhook of an alert that fires, after a time."""
        return next((a for a in self.alarms if (a.name, a.status) == (name, "firing") and a.at >= since), None)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def alarm_of(receiver: str, told: dict[str, Any]) -> Alarm:
    return Alarm(
        at=time.monotonic(),
        receiver=receiver,
        name=told["labels"]["alertname"],
        status=told["status"],
        labels=told["labels"],
        annotations=told["annotations"],
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(what: Callable[[], object], missing: str, limit_s: float = WAIT_S) -> None:
    """Wait for something.

    Raises:
        NoAlertError: it does not come within the limit.
    """
    ends = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > ends:
            raise NoAlertError(f"{missing} within {limit_s:g} s")
        time.sleep(STEP_S)


@contextmanager
def process(words: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of one's own until the block ends."""
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT) as started:
        try:
            yield started
        finally:
            started.terminate()


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: tools/setup.sh --test installs it")
    return found


@contextmanager
def alarms(folder: Path, canary_port: int, *, hurried: bool) -> Iterator[Receiver]:
    """Prometheus and Alertmanager on loopback, with what is shipped, until the block ends."""
    yaml = YAML(typ="safe", pure=True)
    rules, routes = yaml.load(RULES), yaml.load(ROUTES)
    if hurried:
        for group in rules["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                rule.pop("for", None)
    for route in (routes["route"], *routes["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
    receiver = Receiver()
    for each in routes["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = hook["url"].replace("127.0.0.1:8080", f"127.0.0.1:{receiver.port}")
    web, manager = free_port(), free_port()
    scrapes = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": "brokerproof-canary", "static_configs": [{"targets": [f"127.0.0.1:{canary_port}"]}]}
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
    }
    for name, content in (("rules", rules), ("routes", routes), ("prometheus", scrapes)):
        with (folder / f"{name}.yaml").open("w") as out:
            yaml.dump(content, out)
    prometheus = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{web}",
    ]
    alertmanager = [
        tool("prometheus-alertmanager"),
        f"--config.file={folder / 'routes.yaml'}",
        f"--storage.path={folder / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{manager}",
        "--cluster.listen-address=",
    ]
    try:
        with (
            process(alertmanager, folder / "alertmanager.log"),
            process(prometheus, folder / "prometheus.log"),
        ):
            until(lambda: is_ready(manager) and is_ready(web), "Prometheus and Alertmanager did not begin", 60)
            yield receiver
    finally:
        receiver.close()


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Watched:
    """A canary of the lab's client, as a process of its own."""

    def __init__(self, folder: Path, lab: Lab, port: int, stack: ExitStack) -> None:
        self._folder = folder
        self.state = folder / "state"
        target = folder / "target.yaml"
        target.write_text(dumps(outside(lab.intended, lab)))
        words = [sys.executable, "-m", "brokerproof", "canary", "run", str(target), "--every", f"{EVERY_S:g}s"]
        words += ["--deep-every", "1d", "--state", str(self.state), "--listen", f"127.0.0.1:{port}"]
        words += ["--json", str(folder / "events.jsonl")]
        self.process = stack.enter_context(process(words, folder / "canary.log"))

    def events(self) -> list[dict[str, Any]]:
        with suppress(FileNotFoundError):
            return [json.loads(line) for line in (self._folder / "events.jsonl").read_text().splitlines()]
        return []

    def rounds(self) -> list[dict[str, Any]]:
        return [each for each in self.events() if each["event"] == "round"]

    def next_round(self) -> dict[str, Any]:
        """The first round that begins from now on."""
        now = time.time()
        until(lambda: any(each["began"] >= now for each in self.rounds()), "no round ended")
        return next(each for each in self.rounds() if each["began"] >= now)

    def is_well(self) -> bool:
        """Whether everything that is watched is ok."""
        states = {json.dumps(e["watched"]): e["after"] for e in self.events() if e["event"] == "state"}
        return bool(states) and set(states.values()) <= {"ok", "not_yet"} and "ok" in states.values()

    def probe(self) -> list[int]:
        """The processes of its probe."""
        return below(self.process.pid)[1:]


def outside(topology: Topology, lab: Lab) -> Topology:
    """The topology as a file has it whose client is reached by a command."""
    vantage = ClientVantage(
        kind=VantageKind.EXEC,
        command=tuple(lab.command_prefix(CLIENT)),
        python=sys.executable,
        environment=this_probe(),
    )
    client = topology.client(CLIENT).model_copy(update={"vantage": vantage})
    return topology.model_copy(update={"clients": (client,)})


def valid_for(topology: Topology, days: int) -> Topology:
    return with_changes(topology, "clusters", 0, server_certificate=ServerCertificate(valid_to_days=days))


class Faults:
    """Each fault in turn; what it took to be told of it."""

    def __init__(self, lab: Lab, canary: Watched, receiver: Receiver) -> None:
        self._lab = lab
        self._canary = canary
        self._receiver = receiver

    def all(self) -> Iterator[Fired]:
        well = self._lab.intended
        began = time.monotonic()
        yield self._told("none: it always fires", "BrokerproofWatchdog", 0.0)
        until(self._canary.is_well, "the canary did not see everything well")
        yield self._told("certificates that end in 10 days", "BrokerproofCertificateEnds", began)

        began = self._apply("record-missing")
        yield self._told("the record of a broker is missing", "BrokerproofPathFailed", began)
        self._lab.apply(well)
        self._recover()
        yield self._told("the same: checks fail, of which few may", "BrokerproofBudgetBurns", began, earliest=0.0)

        began = self._apply("resolver-silent")
        yield self._told("the client's resolver answers nothing", "BrokerproofNotSeen", began)
        self._lab.apply(well)
        self._recover()

        began = time.monotonic()
        with self._few_files():
            yield self._told("the probe's process may open no more files", "BrokerproofProberBroken", began)
        self._recover()

        began = time.monotonic()
        with self._stopped():
            yield self._told("the probe's process is stopped", "BrokerproofDidNotRun", began)
        self._recover()

        self._hold("--for", "1h", "--why", "a restart")
        self._canary.next_round()
        began = time.monotonic()
        with self._stopped():
            yield self._told("the same while somebody holds the alerts", "BrokerproofCanaryStale", began)
        self._hold("--end")
        self._recover()

        began = time.monotonic()
        for _ in range(2):
            self._apply("record-missing")
            self._canary.next_round()
            self._lab.apply(well)
            self._canary.next_round()
        yield self._told("a record goes and comes every other round", "BrokerproofPathFlapping", began)

        began = time.monotonic()
        self._lab.apply(valid_for(well, 2))
        fault = "certificates are exchanged for some that end in 2 days"
        yield self._told(fault, "BrokerproofCertificateEndsSoon", began)

        began = time.monotonic()
        self._canary.process.kill()
        yield self._told("the canary is killed", "BrokerproofCanaryAbsent", began)

    def _told(self, fault: str, alert: str, since: float, *, earliest: float | None = None) -> Fired:
        """``earliest``: what fires from then on counts as well, since it is told once and may fire already."""
        least = since if earliest is None else earliest
        until(lambda: self._receiver.firing(alert, least), f"{fault}: {alert} did not come")
        alarm = self._receiver.firing(alert, least)
        assert alarm is not None
        return Fired(
            fault=fault,
            alert=alert,
            receiver=alarm.receiver,
            after_s=max(0.0, alarm.at - since) if since else 0.0,
            said=alarm.annotations.get("cause") or alarm.annotations["summary"],
        )

    def _apply(self, fault: str) -> float:
        began = time.monotonic()
        self._lab.apply(FAULTS[fault].edit(self._lab.intended))
        return began

    def _recover(self) -> None:
        until(self._canary.is_well, "the canary did not see everything well again")

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        pids = self._canary.probe()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def _few_files(self) -> Iterator[None]:
        pids = self._canary.probe()
        for pid in pids:
            subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={FEW_FILES}:4096"], check=True)
        try:
            yield
        finally:
            for pid in pids:
                subprocess.run(["prlimit", f"--pid={pid}", "--nofile=4096:4096"], check=False, capture_output=True)

    def _hold(self, *words: str) -> None:
        command = [sys.executable, "-m", "brokerproof", "canary", "hold", "--state", str(self._canary.state), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fired(folder: Path, *, hurried: bool) -> Iterator[Fired]:
    """Every rule's alert, by a fault of its own, as they come.

    Raises:
        NoAlertError: one does not come.
    """
    with ExitStack() as stack:
        lab = stack.enter_context(Lab.start(valid_for(PATTERNS[PATTERN].build(), 10)))
        port = free_port()
        receiver = stack.enter_context(alarms(folder, port, hurried=hurried))
        canary = Watched(folder, lab, port, stack)
        yield from Faults(lab, canary, receiver).all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hurried", action="store_true", help="without the waits of a minute that two rules have")
    chosen = parser.parse_args()
    print(f"from the fault to the webhook; {PATTERN}, client {CLIENT}, a round every {EVERY_S:g} s\n")
    print(f"{'fault':<58} {'alert':<31} {'route':<9} {'s':>6} {'intervals':>9}  said")
    with tempfile.TemporaryDirectory(prefix="fault-to-alert-") as name:
        for row in fired(Path(name), hurried=chosen.hurried):
            after = f"{row.after_s:6.1f} {row.after_s / EVERY_S:9.1f}" if row.after_s else f"{'':6} {'':9}"
            print(f"{row.fault:<58} {row.alert:<31} {row.receiver:<9} {after}  {row.said[:70]}", flush=True)


if __name__ == "__main__":
    main()
