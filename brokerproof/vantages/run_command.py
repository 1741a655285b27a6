"""One instance, by Systems Manager's Run Command: a script there, to its end, and objects in a bucket beside it.

What Run Command does with output, time and delivery is known here; what the scripts are for, in :mod:`.ssm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from brokerproof.errors import CouldNotError
from brokerproof.vantages.conversation import MAX_RUN_BYTES
from brokerproof.wording import one_line

SCRIPT_CHARS: Final = 60_000
"""Of one command: a document of SSM has 64 KB at most, and the script is put into it (Systems Manager quotas)."""
OUTPUT_CHARS: Final = 24_000
"""Of a command's output that GetCommandInvocation hands over, :data:`CUT` at its end where there was more."""
CUT: Final = "--output truncated--"
DELIVERY_S: Final = 30
"""The least that ``TimeoutSeconds`` takes. It bounds the delivery of a command alone, not how long it runs."""
_POLLS_S: Final = (0.2, 0.3, 0.5, 1.0, 2.0)
_NOT_YET_S: Final = 15.0
"""How long a command may be unknown after it was sent."""
_LINK_S: Final = 900
_UNDER_WAY: Final = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
_LAST_WORDS: Final = 300
DOCUMENT: Final = "AWS-RunShellScript"
PLACE: Final = "brokerproof"
"""What every object in the bucket begins with."""
END: Final = "."
"""What a whole output ends in."""

Clients = Callable[[str], Any]
"""Gives out the boto3 client of a service."""


class SsmError(CouldNotError):
    """A command could not be carried out there; one sentence."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A command that ran to its end."""

    code: int
    out: str
    err: str


class RunCommand:
    """Run Command at one instance: a script there, to its end.

    One instance is named, so that ``MaxErrors`` (0 unless stated: stop at the first) has nothing to stop.
    """

    def __init__(self, clients: Clients, instance_id: str, bucket: str | None) -> None:
        self._ssm = clients("ssm")
        self._s3 = clients("s3") if bucket is not None else None
        self._instance_id = instance_id
        self.bucket = bucket

    def run(self, script: str, *, deliver_s: float, run_s: float) -> Ended:
        """Have a script run there.

        Args:
            script: For ``sh``.
            deliver_s: How long the agent may take to fetch it.
            run_s: How long it may run.

        Raises:
            SsmError: it was not delivered, did not end in time, or its output is lost.
        """
        if len(script) > SCRIPT_CHARS:
            raise SsmError(f"the command has {len(script):,} characters, and Run Command takes {SCRIPT_CHARS:,}")
        delivery_s = max(DELIVERY_S, int(deliver_s))
        asked: dict[str, Any] = {
            "InstanceIds": [self._instance_id],
            "DocumentName": DOCUMENT,
            "TimeoutSeconds": delivery_s,
            "Parameters": {"commands": [script], "executionTimeout": [str(max(1, int(run_s)))]},
        }
        command_id = _called(self._ssm.send_command, **asked)["Command"]["CommandId"]
        try:
            return self._awaited(command_id, time.monotonic() + delivery_s + run_s + _NOT_YET_S)
        except BaseException:
            with suppress(SsmError):
                _called(self._ssm.cancel_command, CommandId=command_id, InstanceIds=[self._instance_id])
            raise

    def _awaited(self, command_id: str, until: float) -> Ended:
        polls = iter(_POLLS_S)
        pause_s = 0.0
        sent = time.monotonic()
        while True:
            pause_s = next(polls, pause_s)
            time.sleep(pause_s)
            found = self._invocation(command_id)
            status = "Pending" if found is None else str(found["Status"])
            if found is not None and status not in _UNDER_WAY:
                return self._ended(command_id, found, status)
            if found is None and time.monotonic() - sent > _NOT_YET_S:
                raise SsmError(f"SSM does not know command {command_id}, {_NOT_YET_S:.0f} s after it took it")
            if time.monotonic() > until:
                raise SsmError(f"command {command_id} is still {status}, long after its time; it was cancelled")

    def _invocation(self, command_id: str) -> dict[str, Any] | None:
        """The command as the instance has it; None while SSM does not know it there yet."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        try:
            found = self._ssm.get_command_invocation(CommandId=command_id, InstanceId=self._instance_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvocationDoesNotExist":
                return None
            raise SsmError(_refused(error)) from None
        return dict(found)

    def _ended(self, command_id: str, found: Mapping[str, Any], status: str) -> Ended:
        details = str(found.get("StatusDetails", status)).replace(" ", "")
        if details == "DeliveryTimedOut":
            raise SsmError(f"SSM's agent at {self._instance_id} did not take the command in time; is it running?")
        if status not in {"Success", "Failed"} or found.get("ResponseCode", 0) < 0:
            raise SsmError(
                f"command {command_id} ended as {details}{last_words(str(found.get('StandardErrorContent', '')))}"
            )
        out, err = str(found.get("StandardOutputContent", "")), str(found.get("StandardErrorContent", ""))
        return Ended(code=int(found.get("ResponseCode", 0)), out=out, err=err)

    # The bucket

    def taken(self, key: str) -> bytes:
        """An object, which is then removed.

        Raises:
            SsmError: it is not there, or may not be read.
        """
        found = _called(self._bucket_of().get_object, Bucket=self.bucket, Key=key)
        data = bytes(found["Body"].read(MAX_RUN_BYTES))
        self.removed(key)
        return data

    def link(self, method: str, key: str) -> str:
        """A link by which the instance gets or puts an object for a quarter of an hour, without a permission."""
        params = {"Bucket": self.bucket, "Key": key}
        found: str = _called(
            self._bucket_of().generate_presigned_url, ClientMethod=method, Params=params, ExpiresIn=_LINK_S
        )
        return found

    def put(self, key: str, data: bytes) -> None:
        """Put an object there.

        Raises:
            SsmError: that may not be.
        """
        _called(self._bucket_of().put_object, Bucket=self.bucket, Key=key, Body=data)

    def _bucket_of(self) -> Any:
        if self._s3 is None:
            raise SsmError("there is no bucket")
        return self._s3

    def removed(self, key: str) -> None:
        """Remove an object; who may not leaves it there."""
        if self._s3 is not None:
            with suppress(SsmError):
                _called(self._s3.delete_object, Bucket=self.bucket, Key=key)


def _called(method: Callable[..., Any], **asked: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra

    try:
        return method(**asked)
    except ClientError as error:
        raise SsmError(_refused(error)) from None
    except BotoCoreError as error:
        raise SsmError(one_line(str(error))) from None


def _refused(error: Any) -> str:
    """A refusal of AWS's in words."""
    told = error.response.get("Error", {})
    code, message = told.get("Code", ""), one_line(str(told.get("Message", "")))[:_LAST_WORDS]
    if code == "InvalidInstanceId":
        return (
            f"SSM cannot reach the instance ({message}): its agent must run, its role must have "
            "AmazonSSMManagedInstanceCore, and account and Region must be its own"
        )
    return f"{error.operation_name}: {code}: {message}"


def last_words(text: str) -> str:
    """The last line of what a command complained, to stand behind a sentence."""
    lines = text.strip().splitlines()
    return f": {one_line(lines[-1][-_LAST_WORDS:])}" if lines else ""
