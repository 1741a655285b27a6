"""A lab from outside: start it, find it, change it, enter its client VPCs, end it.

A running lab is known by an abstract Unix socket alone, so there is no file to leave behind and a
name is free again the moment its lab is gone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from brokerproof.extras import Extra, lacking
from brokerproof.lab.daemons import iam_handler, jvm, kafka_dist
from brokerproof.lab.errors import LabError
from brokerproof.lab.life import lab_socket, preflight
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import Topology

Progress = Callable[[str], None]

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,40}$")
_START_S = 180


_detached: list[subprocess.Popen[bytes]] = []
"""Kept so that Popen does not warn of a child that is meant to outlive this process."""


def _quiet(_text: str) -> None:
    return None


class Lab:
    """A running lab. As a context manager it ends with the block; so it does when this process dies."""

    def __init__(self, name: str, connection: socket.socket, pid: int, process: subprocess.Popen[bytes] | None) -> None:
        self.name = name
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._pid = pid
        self._process = process
        self.topology: Topology
        """What the lab is now."""
        self.intended: Topology
        """What it is meant to be; a fault is a difference between the two."""
        self.unknown = ""
        """Why the state of the lab is unknown, after a change that failed half-way; else empty."""
        self.clients: Mapping[str, str] = {}

    @classmethod
    def start(
        cls,
        topology: Topology,
        *,
        name: str | None = None,
        progress: Progress = _quiet,
        spawned: Callable[[Lab], None] = lambda _lab: None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Build a lab and wait until its brokers serve.

        Args:
            topology: What is built.
            name: Of the lab; None for one of its own.
            progress: Told each step.
            spawned: Given the lab before anything is built, for another thread to call :meth:`kill`.
            environ: Where tools and Kafka are looked for.

        Raises:
            LabError: a tool is missing, the name is taken, or the lab does not come up; nothing is
                left running.
        """
        name = name or f"run-{os.getpid()}-{secrets.token_hex(2)}"
        if not _NAME.match(name):
            raise LabError(f"lab name {name!r}: use lower-case letters, digits and hyphens, at most 41")
        lacks = lacking(Extra.LAB, "the lab")
        if lacks:
            raise LabError(lacks)
        blueprint = compile_topology(topology)  # an impossible topology is refused before anything starts
        brokers = sum(len(c.brokers) for c in topology.clusters)
        found = preflight.check(environ, brokers=brokers, distance=any(link.distant for link in blueprint.links))
        java = preflight.find_java(environ)
        if found or java is None:
            raise LabError("this machine cannot run the lab yet:\n" + "\n".join(f"- {p}" for p in found))
        version = topology.clusters[0].kafka_version
        try:
            distribution = kafka_dist.locate(version, environ=environ)
        except kafka_dist.KafkaMissingError as error:
            raise LabError(str(error)) from None
        judges = None
        if any(each.sasl is AuthenticationScheme.IAM for c in topology.clusters for each in c.listeners):
            try:
                judges = iam_handler.compiled(distribution, java, environ)
            except iam_handler.HandlerError as error:
                raise LabError(str(error)) from None
        options = jvm.arguments(distribution, java, environ, judges)
        lab = cls._spawn(name)
        spawned(lab)
        lab.build(topology, java=str(java.path), jvm=options, progress=progress)
        return lab

    def build(self, topology: Topology, *, java: str, jvm: Sequence[str], progress: Progress) -> None:
        """Build the topology in a lab that has just been spawned; ends the lab if that fails.

        Raises:
            LabError: what could not be built, with the words of the tool or the log that matters.
        """
        request = {"op": "build", "topology": topology.model_dump(mode="json"), "java": java, "jvm": list(jvm)}
        try:
            self._adopt(self._ask(request, progress))
        except BaseException:
            self.stop()
            raise

    @classmethod
    def _spawn(cls, name: str) -> Self:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        ours, theirs = socket.socketpair()
        with listener, theirs:
            try:
                listener.bind(lab_socket.socket_name(name))
            except OSError:
                ours.close()
                with suppress(OSError):  # whose it is, where it is somebody else's
                    lab_socket.connect(name, timeout_s=_START_S)[0].close()
                raise LabError(
                    f"a lab named {name!r} is already running; choose another --name, or end it with "
                    f"`brokerproof lab down --name {name}`"
                ) from None
            for descriptor in (listener, theirs):
                os.set_inheritable(descriptor.fileno(), True)
            process = subprocess.Popen(
                [
                    *(
                        "unshare",
                        *preflight.namespace_options(),
                        "--",
                        sys.executable,
                        "-m",
                        "brokerproof.lab.life.supervisor",
                    ),
                    *(name, str(theirs.fileno()), str(listener.fileno())),
                ],
                pass_fds=(listener.fileno(), theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={
                    **os.environ,
                    "PATH": preflight.search_path(os.environ),
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                },
            )
        ours.settimeout(_START_S)
        return cls(name, ours, 0, process)

    @classmethod
    def attach(cls, name: str | None = None) -> Self:
        """Reach a lab that was started elsewhere; without a name, the only one there is.

        Raises:
            LabError: there is none of that name, somebody else holds it, or there are several and none was named.
        """
        names = lab_socket.running_labs()
        if name is None:
            if len(names) != 1:
                raise LabError(
                    "no lab is running; start one with `brokerproof lab up PATTERN`"
                    if not names
                    else f"several labs are running ({', '.join(names)}); choose one with --name"
                )
            name = names[0]
        try:
            connection, pid = lab_socket.connect(name, timeout_s=_START_S)
        except OSError:
            there = f"running: {', '.join(names)}" if names else "none is running"
            others = lab_socket.users_with(name)
            whose = f"; {' and '.join(others)} may have one, which only they can attach to" if others else ""
            raise LabError(f"no lab named {name!r}; {there}{whose}") from None
        lab = cls(name, connection, pid, None)
        status = lab._ask({"op": "status"})
        if not status["built"]:
            lab.close()
            raise LabError(f"lab {name!r} is still starting; try again in a few seconds")
        lab._adopt(status)
        return lab

    def _adopt(self, status: dict[str, Any]) -> None:
        self.topology = Topology.model_validate(status["topology"])
        self.intended = Topology.model_validate(status["intended"])
        self.clients = status["clients"]
        self.unknown = status["unknown"]
        if self._pid == 0:
            connection, self._pid = lab_socket.connect(self.name, timeout_s=_START_S)
            connection.close()

    @property
    def pid(self) -> int:
        """PID, on this machine, of the lab's first process; the lab ends with it."""
        return self._pid

    def apply(self, topology: Topology, progress: Progress = _quiet) -> None:
        """Change the running lab to another topology by the difference; what is intended stays: a fault.

        Brokers are restarted only where their own properties differ. A cluster that loses a broker, or
        whose controllers differ, starts anew without its data.

        Raises:
            LabError: the lab refuses and is as before, or the change failed half-way: then :attr:`unknown`
                says so, and all that the lab still does is stop.
        """
        self._change({"op": "apply", "topology": topology.model_dump(mode="json")}, progress)

    def rebuild(self, topology: Topology, progress: Progress = _quiet) -> None:
        """As :meth:`apply`, and the new topology is the intended one from now on.

        Raises:
            LabError: as for :meth:`apply`.
        """
        self._change({"op": "apply", "topology": topology.model_dump(mode="json"), "intended": True}, progress)

    def restart(self, broker: str, progress: Progress = _quiet) -> None:
        """Restart a broker as an operator does: it hands its leaders over, and is back once all replicas are in sync.

        Args:
            broker: As :meth:`status` lists it.
            progress: Told each step.

        Raises:
            LabError: it does not run, or does not come back.
        """
        self._change({"op": "restart", "broker": broker}, progress)

    def _change(self, request: dict[str, Any], progress: Progress) -> None:
        self._require_known()
        try:
            self._adopt(self._ask(request, progress))
        except LabError:
            with suppress(LabError):
                self.unknown = str(self.status()["unknown"])
            raise

    def _require_known(self) -> None:
        if self.unknown:
            raise LabError(self.unknown)

    def status(self) -> dict[str, Any]:
        """What runs: topology, brokers by state, clients, resolvers, uptime in seconds."""
        return self._ask({"op": "status"})

    def detach(self) -> None:
        """Let the lab outlive this process; it ends by :meth:`stop` from anywhere."""
        self._ask({"op": "detach"})
        if self._process is not None:
            if self._process.stderr is not None:
                self._process.stderr.close()
            _detached.append(self._process)
            self._process = None

    def command_prefix(self, client: str) -> tuple[str, ...]:
        """The prefix that runs a command on a client host, with the client VPC's resolver.

        Raises:
            LabError: there is no such client, or the lab's state is unknown.
        """
        self._require_known()
        if client not in self.clients:
            raise LabError(f"lab {self.name!r} has no client {client!r}; it has: {', '.join(self.clients)}")
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return (
            *("nsenter", "--target", str(self._pid), *user, "--mount", "--pid", "--"),
            *("/run/brokerproof/enter", self.clients[client], str(Path.cwd())),
        )

    def stop(self) -> None:
        """End the lab and everything in it. Safe to call twice."""
        with suppress(LabError):
            self._ask({"op": "stop"})
        self.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()

    def kill(self) -> None:
        """End the lab at once, from any thread: whoever waits for it gets a LabError."""
        if self._process is not None:
            self._process.kill()
        elif self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the connection; an owned lab that was not detached ends."""
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, request: dict[str, Any], progress: Progress = _quiet) -> dict[str, Any]:
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            while line := self._lines.readline():
                match json.loads(line):
                    case {"progress": str(text)}:
                        progress(text)
                    case {"done": dict(result)}:
                        return result
                    case {"error": str(text)}:
                        raise LabError(text)
                    case other:
                        raise LabError(f"lab {self.name!r} answered {other!r}, which this version does not know")
        except TimeoutError:
            raise LabError(f"lab {self.name!r} did not answer within {_START_S} s") from None
        except (ConnectionResetError, BrokenPipeError):
            pass  # as the end of the stream: the first process is gone
        except (OSError, ValueError) as error:
            raise LabError(f"lab {self.name!r} cannot be reached: {error}") from None
        raise LabError(f"lab {self.name!r} ended{self._last_words()}")

    def _last_words(self) -> str:
        """The last output of the first process: why namespaces could not be made, for example."""
        if self._process is None or self._process.stderr is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
            words = self._process.stderr.read().decode(errors="replace").strip()
            return f": {words}" if words else ""
        return ""


def run_in_client(lab: Lab, client: str, command: Sequence[str]) -> int:
    """Run a command on a client host with this terminal's input and output; gives its exit code.

    Raises:
        LabError: no such client, or no nsenter on this machine.
    """
    prefix = lab.command_prefix(client)
    if shutil.which(prefix[0]) is None:
        raise LabError("nsenter is not installed (Debian package util-linux)")
    return subprocess.run([*prefix, *command], check=False).returncode
