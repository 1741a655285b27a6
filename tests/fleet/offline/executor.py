"""Lambda's side of a function, as much of it as AWS's runtime client asks for; ministack forwards invocations here.

One process a function, started at its first invocation and kept warm, as Lambda does; a second invocation waits for
the first. Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
import queue
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.fleet.offline.emulator import PYTHON

SANDBOX: Final = Path(__file__).with_name("sandbox.py")
_API: Final = "/2018-06-01/runtime"


@dataclass
class Invocation:
    """One, until it is answered."""

    request_id: str
    event: bytes
    deadline_ms: int
    arn: str
    answered: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    error: bytes = b""


class Function:
    """A function in a namespace.

    Args:
        name: Of the client.
        prefix: What runs a command there.
        task: The unpacked zip; or an unpacked image, see ``image``.
        handler: What of it is called.
        sockets: A folder that both sides see; paths of sockets have 108 bytes at most.
        s3: The address of S3 on this side.
        environment: Of the function.
        image: Whether ``task`` is the root of an image, which brings its own Python and runtime client.
    """

    def __init__(
        self,
        name: str,
        prefix: Sequence[str],
        *,
        task: Path,
        handler: str,
        sockets: Path,
        s3: tuple[str, int],
        environment: Mapping[str, str],
        image: bool = False,
    ) -> None:
        self.name = name
        self.inits_ms: list[int] = []
        """Of each cold start: from the process to its first question for work, imports and namespace included."""
        self._began: float | None = None
        self._waiting: queue.Queue[Invocation] = queue.Queue()
        self._under_way: dict[str, Invocation] = {}
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._runtime = unix_server(sockets / f"{name}.r", _runtime_handler(self))
        self._s3 = unix_server(sockets / f"{name}.s", forwarding_to(s3))
        kind = "image" if image else "zip"
        words = (str(SANDBOX), kind, str(task), handler, str(sockets / f"{name}.r"), str(sockets / f"{name}.s"))
        settings = {**environment, "AWS_LAMBDA_FUNCTION_NAME": f"brokerproof-probe-{name}"}
        python = ("unshare", "--mount", sys.executable) if image else (str(PYTHON),)
        self._command = [*prefix, "env", *(f"{key}={value}" for key, value in settings.items()), *python, *words]

    def invoke(self, event: bytes, arn: str, timeout_s: float) -> tuple[bytes, bytes]:
        """Answer and error, one of them empty."""
        with self._one_at_a_time:
            self._ready()
            now_ms = int(time.time() * 1000)
            made = Invocation(f"local-{now_ms}-{self.name}", event, now_ms + int(timeout_s * 1000), arn)
            self._under_way[made.request_id] = made
            self._waiting.put(made)
            if not made.answered.wait(timeout_s):
                self.close_process()
                made.error = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}).encode()
            del self._under_way[made.request_id]
            return made.answer, made.error

    def next(self) -> Invocation:
        """What the runtime client is to do next; waits for it."""
        began, self._began = self._began, None
        if began is not None:
            self.inits_ms.append(round((time.monotonic() - began) * 1000))
        return self._waiting.get()

    def settle(self, request_id: str, *, answer: bytes = b"", error: bytes = b"") -> None:
        """What the runtime client says of an invocation; of none: that it cannot start."""
        told = [self._under_way[request_id]] if request_id in self._under_way else list(self._under_way.values())
        for one in told:
            one.answer, one.error = answer, error
            one.answered.set()

    def _ready(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._began = time.monotonic()
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=sys.stderr)

    def memory_mb(self) -> float:
        """Proportional set of everything that runs for it, the sandbox's own forwarder left out."""
        if self._process is None:
            return 0
        # It has a process namespace of its own, and is found by its environment.
        total = 0
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "environ").read_bytes().split(b"\0")
                if f"AWS_LAMBDA_FUNCTION_NAME=brokerproof-probe-{self.name}".encode() not in words:
                    continue
                if b"sandbox.py" in (path / "cmdline").read_bytes():
                    continue
                rollup = (path / "smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return round(total / 1024, 1)

    def close_process(self) -> None:
        """End what runs in the namespace."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End all of it."""
        self.close_process()
        for server in (self._runtime, self._s3):
            server.shutdown()
            server.server_close()


class Executor:
    """Takes what ministack forwards: ``POST /CLIENT``."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url_of(self, client: str) -> str:
        """Where a client's function is invoked."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{client}"

    def close(self) -> None:
        """Take no more, and end all functions."""
        self._server.shutdown()
        self._server.server_close()
        for function in self._functions.values():
            function.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        functions = self._functions

        class Handler(_Quiet):
            def do_POST(self) -> None:
                event = self.rfile.read(int(self.headers["Content-Length"]))
                left_s = int(self.headers["X-Amzn-Lambda-Deadline-Ms"]) / 1000 - time.time()
                function = functions[self.path.strip("/")]
                answer, error = function.invoke(event, self.headers["X-Amzn-Lambda-Function-Arn"], left_s)
                self.answer(500 if error else 200, error or answer)

        return Handler


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return

    def address_string(self) -> str:
        return "unix"


def _runtime_handler(function: Function) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            one = function.next()
            headers = {
                "Lambda-Runtime-Aws-Request-Id": one.request_id,
                "Lambda-Runtime-Deadline-Ms": str(one.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": one.arn,
                "Content-Type": "application/json",
            }
            self.answer(200, one.event, headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request_id, _, what = self.path.removeprefix(f"{_API}/invocation/").partition("/")
            function.settle(request_id, **({"answer": body} if what == "response" else {"error": body}))
            self.answer(202, b"")

    return Handler


def forwarding_to(address: tuple[str, int]) -> type[socketserver.BaseRequestHandler]:
    import shutil  # noqa: F401, PLC0415

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            import socket  # noqa: PLC0415

            with socket.create_connection(address) as far:
                there = threading.Thread(target=_copy, args=(self.request, far), daemon=True)
                there.start()
                _copy(far, self.request)
                there.join()

    return Handler


def _copy(source: Any, sink: Any) -> None:
    import contextlib  # noqa: PLC0415
    import socket  # noqa: PLC0415

    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def unix_server(path: Path, handler: type[socketserver.BaseRequestHandler]) -> _UnixServer:
    path.unlink(missing_ok=True)
    server = _UnixServer(str(path), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
