"""A stand-in for the API of Kubernetes, as far as the vantage's calls of kubectl need it. It is no cluster.

It keeps Jobs and a pod of each, lets a pod pass through the states it is told, and carries ``exec`` over a websocket as
an API server does (subprotocol ``v5.channel.k8s.io``). What is executed runs on this host. Nothing is validated or
scheduled here: that a Job is one is shown by the API server alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSED = 0, 1, 2, 3, 255
_TEXT, _BINARY, _END, _PING, _PONG = 1, 2, 8, 9, 10
RUNNING = {
    "phase": "Running",
    "containerStatuses": [{"name": "probe", "state": {"running": {}}}, {"name": "app", "state": {"running": {}}}],
}
PENDING = {"phase": "Pending", "conditions": [{"status": "False", "message": "0/3 nodes are available"}]}


def waiting(reason: str, message: str) -> dict[str, Any]:
    """A pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "probe", "state": state}]}


@dataclass
class Cluster:
    """What there is, and what was asked."""

    home: Path
    states: list[dict[str, Any] | None] = field(default_factory=lambda: [None, PENDING, RUNNING])
    """What a pod of a Job passes through, one with each look at it; None is no pod yet. The last one stays."""
    events: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    executed: list[list[str]] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    refuses: str = ""
    """What the API says to whoever makes a Job."""

    def make(self, job: dict[str, Any]) -> dict[str, Any]:
        name, uid = job["metadata"]["name"], str(uuid.uuid4())
        job["metadata"] |= {"uid": uid, "namespace": "apps"}
        job["spec"]["selector"] = {"matchLabels": {"controller-uid": uid}}
        self.jobs[name] = job
        self.made.append(job)
        labels = {**job["spec"]["template"]["metadata"]["labels"], "controller-uid": uid, "job-name": name}
        spec = job["spec"]["template"]["spec"]
        self.pods[f"{name}-x"] = pod(f"{name}-x", labels, spec, states=list(self.states))
        return job

    def remove(self, name: str) -> None:
        self.jobs.pop(name, None)
        self.pods.pop(f"{name}-x", None)
        self.end()

    def end(self) -> None:
        """What runs in pods ends with them."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def listed(self, selector: str) -> list[dict[str, Any]]:
        wanted = dict(part.split("=", 1) for part in selector.split(",")) if selector else {}
        found = [each for each in self.pods.values() if wanted.items() <= each["metadata"]["labels"].items()]
        shown = []
        for each in found:
            states = each["states"]
            state = states.pop(0) if len(states) > 1 else states[0]
            if state is not None:
                shown.append({**{k: v for k, v in each.items() if k != "states"}, "status": state})
        return shown


def pod(name: str, labels: dict[str, str], spec: dict[str, Any], states: list[Any]) -> dict[str, Any]:
    """A pod as the API has it."""
    metadata = {"name": name, "namespace": "apps", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "states": states}


@contextmanager
def kube_api(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """The API, and a configuration of kubectl that leads to it; what was executed ends with the block."""
    cluster = Cluster(folder / "home")
    cluster.home.mkdir()

    class Handler(_Handler):
        state = cluster

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "apps"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    try:
        yield cluster, folder / "kubeconfig"
    finally:
        cluster.end()
        server.shutdown()
        server.server_close()


def _resource(name: str, kind: str, *verbs: str) -> dict[str, Any]:
    return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": list(verbs)}


_DISCOVERY: dict[str, Any] = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "batch",
                "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            _resource("pods", "Pod", "get", "list", "delete"),
            _resource("pods/exec", "PodExecOptions", "create", "get"),
            _resource("events", "Event", "get", "list"),
        ],
    },
    "/apis/batch/v1": {
        "kind": "APIResourceList",
        "groupVersion": "batch/v1",
        "resources": [_resource("jobs", "Job", "get", "list", "create", "delete")],
    },
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Cluster

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = parse_qs(place.query)
        parts = place.path.strip("/").split("/")
        if place.path in _DISCOVERY:
            self._answer(_DISCOVERY[place.path])
        elif parts[-1] == "exec":
            self._execute(query)
        elif parts[-1] == "pods":
            self._list("PodList", self.state.listed(query.get("labelSelector", [""])[0]))
        elif parts[-1] == "events":
            self._list("EventList", self.state.events)
        elif parts[-2] == "pods":
            found = [each for each in self.state.listed("") if each["metadata"]["name"] == parts[-1]]
            self._answer(found[0]) if found else self._refuse(404, f'pods "{parts[-1]}" not found', "NotFound")
        elif parts[-2] == "jobs" and parts[-1] in self.state.jobs:
            self._answer(self.state.jobs[parts[-1]])
        else:
            self._refuse(404, f"{place.path} not found", "NotFound")

    def do_POST(self) -> None:
        if self.path.partition("?")[0].endswith("/exec"):
            # An upgrade to SPDY; a client of today asks for a websocket, by GET, first.
            self._refuse(400, "only websockets are spoken here", "BadRequest")
            return
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.state.refuses:
            self._refuse(403, self.state.refuses, "Forbidden")
            return
        self._answer(self.state.make(job), 201)

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.partition("?")[0].rsplit("/", 1)[1]
        if name not in self.state.jobs:
            self._refuse(404, f'jobs.batch "{name}" not found', "NotFound")
            return
        self.state.remove(name)
        self._answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _list(self, kind: str, items: list[dict[str, Any]]) -> None:
        self._answer({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items})

    def _refuse(self, code: int, message: str, reason: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        self._answer({**status, "message": message, "reason": reason, "code": code}, code)

    def _answer(self, body: dict[str, Any], code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _execute(self, query: dict[str, list[str]]) -> None:
        words = query["command"]
        self.state.executed.append(words)
        key = self.headers.get("Sec-WebSocket-Key", "").encode()
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.state.home)}
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            self._end(126, f"OCI runtime exec failed: {error}")
            return
        self.state.processes.append(process)
        _Websocket(self.connection, self.rfile).carry(process, self._end)

    def _end(self, code: int, message: str = "") -> None:
        status: dict[str, Any] = {"metadata": {}, "status": "Success"}
        if code:
            told = message or f"command terminated with exit code {code}"
            status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": told}
            status["details"] = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
        with suppress(OSError):
            socket_ = _Websocket(self.connection, self.rfile)
            socket_.send(_BINARY, bytes([_ERROR]) + json.dumps(status).encode())
            socket_.send(_END, struct.pack(">H", 1000))


class _Websocket:
    """The server's side of RFC 6455, with Kubernetes' channels in it."""

    def __init__(self, connection: socket.socket, reader: Any) -> None:
        self._connection, self._reader = connection, reader
        self._sending = threading.Lock()

    def carry(self, process: subprocess.Popen[bytes], end: Any) -> None:
        """What the client sends to the process, and what that prints to the client, until it ends."""
        pumps = [
            threading.Thread(target=self._pump, args=(stream, channel), daemon=True)
            for stream, channel in ((process.stdout, _STDOUT), (process.stderr, _STDERR))
        ]
        for pump in pumps:
            pump.start()
        threading.Thread(target=self._feed, args=(process,), daemon=True).start()
        code = process.wait()
        for pump in pumps:
            pump.join(5)
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()
        end(code if code >= 0 else 128 - code)
        time.sleep(0.05)

    def send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        length = bytes([size]) if size < 126 else struct.pack(">BH", 126, size) if size < 65536 else b""
        with self._sending:
            self._connection.sendall(bytes([0x80 | opcode]) + (length or struct.pack(">BQ", 127, size)) + data)

    def _pump(self, stream: Any, channel: int) -> None:
        with suppress(OSError):
            while chunk := os.read(stream.fileno(), 32768):
                self.send(_BINARY, bytes([channel]) + chunk)

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Until the client hangs up, which is the end of the process's input."""
        assert process.stdin
        with suppress(OSError, EOFError):
            while True:
                opcode, data = self._frame()
                if opcode == _PING:
                    self.send(_PONG, data)
                elif opcode == _END or (data[:1] == bytes([_CLOSED]) and data[1:2] == bytes([_STDIN])):
                    break
                elif data[:1] == bytes([_STDIN]):
                    process.stdin.write(data[1:])
                    process.stdin.flush()
        with suppress(OSError):
            process.stdin.close()

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else bytes(4)
        data = self._exactly(size)
        whole = int.from_bytes(data) ^ int.from_bytes((mask * (size // 4 + 1))[:size])
        return first & 0x0F, whole.to_bytes(size)

    def _exactly(self, size: int) -> bytes:
        data: bytes = self._reader.read(size)
        if len(data) < size:
            raise EOFError
        return data
