"""The script of a command, run for real by sh: what it leads to is fetched by links whose signatures are checked."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import msgspec
import pytest
from botocore.config import Config

from brokerproof.fleet import command
from brokerproof.fleet.bundle import far_files
from brokerproof.fleet.command import index, script
from brokerproof.fleet.far.values import Invocation, Item, ItemResult, Linked, decode_result, result_key
from brokerproof.fleet.hub import CommandHub
from brokerproof.fleet.store import Store
from brokerproof.probes.plan import encode_plan
from brokerproof.vantages import bundle
from brokerproof.vantages.bundle import Bundle, FarPlatform, this_platform
from tests.fleet.link_bucket import serving
from tests.vantages.test_real_probe import closed_port, connects, plan

__all__ = ["closed_port"]  # a fixture

HUB = CommandHub("us-east-1", "bucket", "p")
SECRET = "secret-of-the-operator"
ID = "i-0abc"
ARN = HUB.instance("111111111111", ID)


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The probe without packages: this Python has them."""
    path = tmp_path_factory.mktemp("probe") / "probe.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in (*bundle._own_files(), *far_files()):
            archive.write(file, name)
    data = path.read_bytes()
    return Bundle(path, hashlib.sha256(data).hexdigest(), len(data))


class There:
    """An instance, and a bucket that it reaches by links alone."""

    def __init__(self, folder: Path, probe: Bundle, url: str, objects: dict[str, bytes], port: int) -> None:
        keys = {"aws_access_key_id": "operator", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
        s3 = boto3.Session(**keys).client("s3", endpoint_url=url, config=config)
        self.store = Store(HUB, s3)
        self.folder, self.probe, self.objects, self.port = folder, probe, objects, port
        self.platform = this_platform()
        objects[f"p/_probes/{probe.sha256}.zip"] = probe.read()
        self.cut: set[str] = set()
        """Keys whose next answer is cut off."""

    def linked(self, client: str, **other: str) -> Linked:
        text = encode_plan(msgspec.structs.replace(plan(self.port), client=client))
        key = f"p/s/plans/{client}.json"
        self.objects[key] = text
        digest = other.get("sha256", hashlib.sha256(text).hexdigest())
        item = Item(client=client, resource=ARN, role_arn="", plan_key=key, plan_sha256=digest)
        asked = Invocation(version=1, bucket=HUB.bucket, prefix="p", set="s", run="r", item=item)
        result = self.store.link(result_key("p", "s", "r", client), 900, once=True)
        return Linked(asked=asked, plan=self.store.link(key, 900), result=result)

    def script(self, work: dict[str, Sequence[Linked]], *, python: str = sys.executable) -> str:
        """The script of a command, and its index put where it leads."""
        found = {self.platform: (self.probe, self.store.link(f"p/_probes/{self.probe.sha256}.zip", 900))}
        text = index(work, found)
        self.objects["p/s/runs/_engine/r/index.json"] = text
        link = self.store.link("p/s/runs/_engine/r/index.json", 900)
        return script(text, link, python=python, platforms=[self.platform], run_s=300)

    def run(self, told: str, *, instance: str = ID) -> subprocess.CompletedProcess[str]:
        """Have SSM's agent run a script: as root's environment is there, without HOME."""
        given = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder / "cache")}
        given |= {"AWS_SSM_INSTANCE_ID": instance} if instance else {}
        path = self.folder / "script.sh"
        path.write_text(told)
        return subprocess.run(
            ["sh", str(path)], env=given, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300
        )

    def result(self, client: str) -> ItemResult:
        return decode_result(self.objects[result_key("p", "s", "r", client)])

    @property
    def results(self) -> list[str]:
        return [key for key in self.objects if "/runs/r/" in key]


@pytest.fixture
def there(tmp_path: Path, probe: Bundle, closed_port: int) -> Iterator[There]:
    objects: dict[str, bytes] = {}
    cut: set[str] = set()
    with serving(objects, SECRET, cut) as bucket:
        made = There(tmp_path, probe, bucket.url, objects, closed_port)
        made.cut = cut
        yield made


def test_an_instance_finds_its_items_and_leaves_an_object_each(there: There) -> None:
    told = there.script({ID: [there.linked("one"), there.linked("two")], "i-0other": [there.linked("other")]})
    done = there.run(told)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["one:", "two:"]
    for number, client in enumerate(("one", "two")):
        result = there.result(client)
        assert (result.client, result.set, result.run) == (client, "s", "r")
        assert (result.place.engine, result.place.resource, result.place.earlier_runs) == ("ssm", ARN, number)
        assert result.said.error == ""
        assert [status for status, _ in connects(result.said.outcomes)] == ["failed"]
    assert len(there.results) == 2
    assert (there.folder / "cache/brokerproof/probes" / there.probe.sha256 / "complete").exists()
    again = there.run(told)
    assert again.returncode == 1, "the first objects stay"
    assert "brokerproof: one: s3://bucket/p/s/runs/r/one.json cannot be written: HTTP 412" in again.stderr
    del there.objects[f"p/_probes/{there.probe.sha256}.zip"]
    there.objects.pop(there.results[0])
    there.objects.pop(there.results[0])
    assert there.run(told).returncode == 0, "the probe is there already, and is not fetched again"


def test_what_s3_cuts_off_is_asked_for_again(there: There) -> None:
    told = there.script({ID: [there.linked("one"), there.linked("two")]})
    there.cut |= {key for key in there.objects if "index" in key or "_probes" in key or "plans/one" in key}
    done = there.run(told)
    assert done.returncode == 0, done.stderr
    assert len(there.results) == 2
    assert not there.cut


def test_a_link_to_an_object_writes_none_over(there: There) -> None:
    linked = there.linked("one")
    bare = urllib.request.Request(linked.result, b"{}", {"Content-Type": "application/json"}, method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bare, timeout=30)
    assert not there.results


def test_an_instance_that_the_index_does_not_name_runs_nothing(there: There) -> None:
    done = there.run(there.script({"i-0other": [there.linked("other")]}))
    assert (done.returncode, done.stdout) == (0, "brokerproof: nothing is to run here\n")
    assert not there.results


def test_a_plan_that_was_replaced_is_not_run(there: There) -> None:
    done = there.run(there.script({ID: [there.linked("one", sha256="0" * 64)]}))
    assert done.returncode == 1
    assert "brokerproof: one: the plan s3://bucket/p/s/plans/one.json is another than the item's" in done.stderr
    assert not there.results


def _an_index(there: There, told: str) -> str:
    there.objects["p/s/runs/_engine/r/index.json"] += b" "
    return told


def _a_probe(there: There, told: str) -> str:
    key = f"p/_probes/{there.probe.sha256}.zip"
    there.objects[key] = there.objects[key][:-1] + b"x"
    return told


def _another_platform(there: There, _: str) -> str:
    there.platform = FarPlatform("3.99", "aarch64")
    return there.script({ID: [there.linked("one")]}, python=sys.executable)


def _no_python(there: There, _: str) -> str:
    return there.script({ID: [there.linked("one")]}, python="/opt/none/python3")


def _no_index(there: There, told: str) -> str:
    del there.objects["p/s/runs/_engine/r/index.json"]
    return told


def _another_signature(_: There, told: str) -> str:
    return told.replace("X-Amz-Signature=", "X-Amz-Signature=0")


def _no_way(there: There, told: str) -> str:
    return re.sub(r"127\.0\.0\.1:[0-9]+", f"127.0.0.1:{there.port}", told)


@pytest.mark.parametrize(
    ("spoilt", "code", "words"),
    [
        (_an_index, 1, "brokerproof: the index is not what was meant: its SHA-256 is"),
        (_a_probe, 1, "brokerproof: the probe is not what was meant: its SHA-256 is"),
        (_another_platform, 1, "but for 3.99/aarch64/glibc: give --probe-for"),
        (_no_python, 127, "brokerproof: /opt/none/python3 are not here: name another one (--python)"),
        (_no_index, 1, "brokerproof: the index cannot be fetched from S3: HTTP Error 404"),
        (_another_signature, 1, "brokerproof: the index cannot be fetched from S3: HTTP Error 403"),
        (_no_way, 1, "brokerproof: the index cannot be fetched from S3: <urlopen error [Errno 111]"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_runs_nothing(
    there: There, spoilt: Callable[[There, str], str], code: int, words: str
) -> None:
    told = spoilt(there, there.script({ID: [there.linked("one")]}))
    done = there.run(told)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not there.results


def test_an_instance_whose_agent_does_not_say_its_id_asks_the_metadata_service(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Metadata(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"] == "60"
            self._say(b"token" if self.path == "/latest/api/token" else b"")

        def do_GET(self) -> None:
            assert self.headers["X-aws-ec2-metadata-token"] == "token"
            self._say(b"i-0unknown" if self.path == "/latest/meta-data/instance-id" else b"")

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(command, "START", command.START.replace("http://169.254.169.254", url))
        done = there.run(there.script({ID: [there.linked("one")]}), instance="")
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, done.stdout) == (0, "brokerproof: nothing is to run here\n"), done.stderr


def test_the_script_fits_into_a_command_with_the_longest_link(there: There) -> None:
    long = "https://b.s3.us-east-1.amazonaws.com/" + "k" * 1000 + "?X-Amz-Security-Token=" + "t" * 2000
    told = script(
        b"{}", long, python="", platforms=[FarPlatform(f"3.{n}", "x86_64") for n in range(11, 15)], run_s=9999
    )
    assert len(told) < 20_000
    assert told.startswith("for python in python3.11 python3.12 python3.13 python3.14 python3; do\n")
