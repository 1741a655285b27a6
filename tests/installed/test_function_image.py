"""A fleet's function as an OCI image: AWS's runtime client in it serves invocations; it has both machines' files."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from brokerproof.fleet.bundle import HANDLER
from brokerproof.fleet.far.values import VERSION, Invocation, Item, ItemResult, decode_result, encode, result_key
from brokerproof.probes.plan import encode_plan
from tests.fleet.offline.executor import Function
from tests.installed.oci_layout import configuration, unpacked
from tests.vantages.test_real_probe import connects, plan
from tools.image import PYTHON, ImageError, Of, base_entries, config_of, debs, make, own_entries
from tools.oci import MACHINES, Layout

pytestmark = [
    pytest.mark.installed,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's dpkg and apt"),
    pytest.mark.skipif(f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON, reason=f"needs Python {PYTHON}"),
]
CACHE = Path.home() / ".cache" / "brokerproof" / "debs"
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
"""EM_X86_64 and EM_AARCH64 of elf(5)."""
MOST_RUNS = 5
"""Of which two answer: a probe has ten seconds to begin, and a loaded machine may be later at first."""
ARN = "arn:aws:lambda:us-east-1:111111111111:function:brokerproof-probe-app"


def made(folder: Path) -> Path:
    try:
        make(folder, cache=CACHE, machine=os.uname().machine, of=Of.FUNCTION, at_once=True)
    except ImageError as error:
        pytest.skip(str(error))
    return folder


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as a function asks for: GET and PUT of an object."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_GET(self) -> None:
        self._answer(self.objects[self.path.split("?")[0]])

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.objects[self.path.split("?")[0]] = body
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def bucket() -> Iterator[tuple[dict[str, bytes], int]]:
    class Handler(Bucket):
        objects: dict[str, bytes] = {}  # noqa: RUF012  of this one

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Handler.objects, server.server_port
        server.shutdown()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_runtime_client_in_it_serves_invocations(bucket: tuple[dict[str, bytes], int], tmp_path: Path) -> None:
    objects, port = bucket
    layout = made(tmp_path / "layout")
    text = encode_plan(plan(1))
    item = Item(
        client="app",
        resource=ARN,
        role_arn=f"{ARN}-role",
        plan_key="p/plan",
        plan_sha256=hashlib.sha256(text).hexdigest(),
    )
    objects["/b/p/plan"] = text
    function = Function(
        "app",
        ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"),
        task=unpacked(layout, tmp_path / "root"),
        handler=HANDLER,
        sockets=tmp_path,
        s3=("127.0.0.1", port),
        environment={"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"},
        image=True,
    )
    results: list[ItemResult] = []
    try:
        while len(results) < MOST_RUNS and sum(not result.said.error for result in results) < 2:
            run = str(len(results))
            asked = Invocation(version=VERSION, bucket="b", prefix="p", set="s", run=run, item=item)
            _, error = function.invoke(encode(asked), ARN, 120)
            assert error == b""
            results.append(decode_result(objects[f"/b/{result_key('p', 's', run, 'app')}"]))
    finally:
        function.close()
    last = results[-1].said
    assert last.error == "", last.said
    assert [status for status, _ in connects(last.outcomes)] == ["failed"]
    assert [result.place.earlier_runs for result in results] == [*range(len(results))], "one process serves all"
    assert last.started is not None
    assert last.started.python.startswith(PYTHON)


def test_it_has_the_other_machines_files() -> None:
    other = next(machine for machine in MACHINES if machine != os.uname().machine)
    try:
        packages = debs(CACHE / other, other, Of.FUNCTION.packages)
        entries = base_entries(packages) | own_entries(Of.FUNCTION, other)
    except ImageError as error:
        pytest.skip(str(error))
    programs = {name: entry.data for name, entry in entries.items() if entry.data[:4] == b"\x7fELF"}
    assert {int.from_bytes(data[18:20], "little") for data in programs.values()} == {ELF_MACHINES[other]}
    assert {"usr/bin/python3.11", "usr/bin/busybox"} <= set(programs)
    assert any("runtime_client" in name for name in programs)
    assert any("librdkafka" in name for name in programs)


def test_it_starts_the_runtime_client_with_the_handler(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.finish("function", "aarch64", config_of(Of.FUNCTION))
    told = configuration(tmp_path)
    assert told["architecture"] == "arm64"
    config = told["config"]
    assert [*config["Entrypoint"], *config["Cmd"]] == ["python3", "-m", "awslambdaric", HANDLER]
    assert "User" not in config
