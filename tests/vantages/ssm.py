"""Systems Manager and S3, as far as the vantage uses them: a double behind boto3 that runs each script for real.

What it hands over is held against botocore's own output shapes, is cut off where Run Command cuts it off, and takes its
time as Run Command does: a command is unknown at first, then under way, then ended.
"""

from __future__ import annotations

import copy
import io
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config

from brokerproof.aws.answers.hook import check

REGION = "us-east-1"
INSTANCE = "i-0abc1234"
MOST_OUT, MOST_ERR, CUT = 24_000, 8_000, "--output truncated--"
MOST_SCRIPT = 64 * 1024


class RefusedError(Exception):
    """What AWS refuses: a code, and its words."""


@dataclass
class Invocation:
    """One command at the instance."""

    process: subprocess.Popen[bytes] | None
    limit_s: float
    done: threading.Event = field(default_factory=threading.Event)
    status: str = "Pending"
    details: str = "Pending"
    code: int = -1
    out: str = ""
    err: str = ""
    asked: int = 0


class Systems:
    """An account with one instance that SSM's agent runs on.

    ``prefix``: what leads into the instance's namespace. ``environment``: what the agent gives a command, which has no
    HOME in it. ``offline``: the agent does not run. ``registered``: whether SSM knows the instance.
    """

    def __init__(
        self,
        folder: Path,
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        offline: bool = False,
        registered: bool = True,
    ) -> None:
        self.folder = folder
        self.prefix = tuple(prefix)
        self.environment = dict(environment or {})
        self.offline, self.registered = offline, registered
        self.objects: dict[tuple[str, str], bytes] = {}
        self.commands: dict[str, Invocation] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._session = botocore.session.Session()
        self._session.register("before-parameter-build", self._keep)
        self._session.register("before-call", self._answer)
        self._boto3 = boto3.Session(
            botocore_session=self._session, aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.objects))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def clients(self, service: str) -> Any:
        """Clients that it answers; links into the bucket lead to loopback."""
        url = f"http://127.0.0.1:{self._server.server_port}" if service == "s3" else None
        return self._boto3.client(
            service,
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if url else None),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for command in self.commands.values():
            if command.process is not None and command.process.poll() is None:
                os.killpg(command.process.pid, signal.SIGKILL)
            command.done.wait(10)

    def sent(self) -> int:
        """How many commands were sent."""
        return len(self.commands)

    # Behind botocore

    def _keep(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = copy.copy(dict(params))

    def _answer(self, model: Any, context: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        asked: dict[str, Any] = context.get("asked", {})
        self.calls.append((model.name, asked))
        try:
            found = getattr(self, f"_{xform_name(model.name)}")(asked)
        except RefusedError as error:
            code, message = error.args
            return _Http(400), {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}
        if "Body" not in found:
            check(found, model)
        return _Http(200), {**found, "ResponseMetadata": {}}

    def _send_command(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if not self.registered or asked["InstanceIds"] != [INSTANCE]:
            raise RefusedError(
                "InvalidInstanceId", f"Instances [{asked['InstanceIds']}] not in a valid state for account"
            )
        if asked["TimeoutSeconds"] < 30:
            raise RefusedError("ValidationException", "timeoutSeconds must be at least 30")
        script = "\n".join(asked["Parameters"]["commands"])
        if len(script) > MOST_SCRIPT:
            raise RefusedError("ValidationException", "the document is too large")
        command_id = str(uuid.uuid4())
        limit_s = float(asked["Parameters"]["executionTimeout"][0])
        command = self.commands[command_id] = Invocation(None, limit_s)
        if not self.offline:
            path = self.folder / f"{command_id}.sh"
            path.write_text(script)
            command.process = subprocess.Popen(
                [*self.prefix, "env", "-i", *(f"{k}={v}" for k, v in self.environment.items()), "sh", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                start_new_session=True,
            )
            threading.Thread(target=self._attend, args=(command_id,), daemon=True).start()
        else:
            command.done.set()
        return {"Command": {"CommandId": command_id, "Status": "Pending", "InstanceIds": [INSTANCE]}}

    def _attend(self, command_id: str) -> None:
        command = self.commands[command_id]
        process = command.process
        assert process is not None
        try:
            out, err = process.communicate(timeout=command.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            command.status, command.details, command.code = "TimedOut", "ExecutionTimedOut", 137
        else:
            command.code = process.returncode
            command.status = command.details = "Success" if process.returncode == 0 else "Failed"
        command.out, command.err = _cut(out.decode(), MOST_OUT), _cut(err.decode(), MOST_ERR)
        command.done.set()

    def _get_command_invocation(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        command = self.commands[asked["CommandId"]]
        command.asked += 1
        if command.asked == 1:
            raise RefusedError("InvocationDoesNotExist", "")
        found = {"CommandId": asked["CommandId"], "InstanceId": INSTANCE, "DocumentName": "AWS-RunShellScript"}
        if self.offline:
            # The agent never fetched it: no exit status, and TimeoutSeconds is over.
            return {**found, "Status": "TimedOut", "StatusDetails": "DeliveryTimedOut", "ResponseCode": -1}
        if not command.done.is_set():
            return {**found, "Status": "InProgress", "StatusDetails": "InProgress", "ResponseCode": -1}
        told = {"StandardOutputContent": command.out, "StandardErrorContent": command.err}
        return {
            **found,
            "Status": command.status,
            "StatusDetails": command.details,
            "ResponseCode": command.code,
            **told,
        }

    def _cancel_command(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        process = self.commands[asked["CommandId"]].process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        return {}

    def _put_object(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        body = asked["Body"]
        self.objects[asked["Bucket"], asked["Key"]] = body if isinstance(body, bytes) else body.read()
        return {}

    def _get_object(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if (asked["Bucket"], asked["Key"]) not in self.objects:
            raise RefusedError("NoSuchKey", "The specified key does not exist.")
        return {"Body": io.BytesIO(self.objects[asked["Bucket"], asked["Key"]])}

    def _delete_object(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.objects.pop((asked["Bucket"], asked["Key"]), None)
        return {}


@dataclass(frozen=True)
class _Http:
    status_code: int


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def _handler(objects: dict[tuple[str, str], bytes]) -> Callable[..., BaseHTTPRequestHandler]:
    class Bucket(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            objects[self.named()] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def named(self) -> tuple[str, str]:
            parts = urlsplit(self.path)
            assert "X-Amz-Signature" in parse_qs(parts.query)
            bucket, _, key = parts.path.lstrip("/").partition("/")
            return bucket, key

        def do_GET(self) -> None:
            found = objects.get(self.named())
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            pass

    return Bucket
