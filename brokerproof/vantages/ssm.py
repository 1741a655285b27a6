"""The vantage behind Systems Manager's Run Command: an instance that its agent reaches, and no network from here to it.

A command has no standard input and hands its output over once it has ended, so each plan is one command. The probe gets
there in chunks of commands, or by S3 where a bucket is named; outcomes come back packed, by S3 where they are more than
Run Command hands over. What the far side says there is in ``far_install.txt``.
"""

from __future__ import annotations

import base64
import secrets
import shlex
import zlib
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from brokerproof.errors import CouldNotError
from brokerproof.extras import Extra, require
from brokerproof.probes.plan import Plan, encode_plan
from brokerproof.vantages.bundle import Bundle, bundle_for
from brokerproof.vantages.conversation import MAX_RUN_BYTES, Conversation
from brokerproof.vantages.exec import ExecSettings, Patience, installs
from brokerproof.vantages.installing import PROGRAM, InstallError, told_here
from brokerproof.vantages.one_at_a_time import OneAtATime
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from brokerproof.vantages.run_command import (
    CUT,
    END,
    OUTPUT_CHARS,
    PLACE,
    SCRIPT_CHARS,
    Clients,
    Ended,
    RunCommand,
    SsmError,
    last_words,
)
from brokerproof.vantages.tail import Tail
from brokerproof.wording import one_line

_SAYS: Final = b"brokerproof "
STORED: Final = "stored"
"""What is printed where the output went into the bucket."""
_PACK: Final = f"""\
import base64, sys, urllib.request, zlib
packed = base64.b64encode(zlib.compress(open(sys.argv[1], "rb").read(), 9)).decode() + "{END}"
if len(sys.argv) > 2 and len(packed) > {OUTPUT_CHARS}:
    put = urllib.request.Request(sys.argv[2], data=packed.encode(), method="PUT")
    urllib.request.urlopen(put, timeout=60).close()
    packed = "{STORED}"
sys.stdout.write(packed)
"""
_UNPACK: Final = "import base64,sys,zlib;sys.stdout.buffer.write(zlib.decompress(base64.b64decode(sys.argv[1])))"
_FETCH: Final = (
    "import shutil,sys,urllib.request as r;shutil.copyfileobj(r.urlopen(sys.argv[1],timeout=60),sys.stdout.buffer)"
)
_LEAVES: Final = 'read -r _ <"$1/alive"; rm -rf "$1"'
"""Removes a command's folder when its shell is gone, however it went."""
_GATHERED_MINUTES: Final = 15
"""Without a chunk for so long, what was gathered is removed: whoever sent it is gone."""
_GATHERS: Final = 'while [ -n "$(find "$1" -mmin -$2 2>/dev/null)" ]; do sleep 2; done; rm -rf "$1"'
_APART: Final = "</dev/null >/dev/null 2>&1"


class SsmSettings(ExecSettings, Protocol):
    """What a topology file says of such a vantage."""

    @property
    def instance_id(self) -> str | None:
        """The instance, or the managed node (``mi-``)."""
        ...

    @property
    def region_name(self) -> str | None:
        """Where it is; None is as the AWS SDK finds it."""
        ...

    @property
    def profile(self) -> str | None:
        """Whose credentials; likewise."""
        ...

    @property
    def role_arn(self) -> str | None:
        """A role to assume with them."""
        ...

    @property
    def external_id(self) -> str | None:
        """What the role asks for."""
        ...

    @property
    def bucket(self) -> str | None:
        """Carries the probe there and long outputs back."""
        ...


def open_vantage(client: str, settings: SsmSettings) -> SsmVantage:
    """The vantage of a client whose host SSM's agent runs on.

    Raises:
        MissingExtraError: boto3 is not installed.
        ValueError: no instance is named.
    """
    return SsmVantage(client, settings)


def clients_of(settings: SsmSettings) -> Clients:
    """The clients by the AWS SDK's own chain, by a profile, or by a role.

    Raises:
        MissingExtraError: boto3 is not installed.
        botocore.exceptions.BotoCoreError, ClientError: there is no such profile, or the role cannot be assumed.
    """
    require(Extra.AWS, "the vantage ssm")
    import boto3  # noqa: PLC0415 - an extra
    from botocore.config import Config  # noqa: PLC0415 - likewise

    config = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=30)
    session = boto3.Session(profile_name=settings.profile, region_name=settings.region_name)
    if settings.role_arn is not None:
        asked = {"RoleArn": settings.role_arn, "RoleSessionName": "brokerproof"}
        asked |= {"ExternalId": settings.external_id} if settings.external_id is not None else {}
        given = session.client("sts", config=config).assume_role(**asked)["Credentials"]
        session = boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=settings.region_name or session.region_name,
        )
    # Links must name the bucket's own Region, and sign no header that the far side sends (Signature Version 4).
    signed = config.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
    return lambda service: session.client(service, config=signed if service == "s3" else config)


class SsmVantage(OneAtATime):
    """Runs plans at an instance, each as one command; the probe is put there before the first."""

    def __init__(
        self, name: str, settings: SsmSettings, *, clients: Clients | None = None, patience: Patience | None = None
    ) -> None:
        if not settings.instance_id:
            raise ValueError("vantage ssm without an instance_id")
        super().__init__(name)
        self._settings = settings
        self._clients = clients
        self._patience = patience or Patience()
        self._install = installs(settings)
        self._command: RunCommand | None = None
        self._bundle: Bundle | None = None

    def forget(self) -> str:
        """Remove every probe that was put there; returns where they were.

        Raises:
            InstallError: it cannot be.
            SsmError: a command could not be carried out.
        """
        with self._one_at_a_time:
            self._bundle = None
            script = f"printf 'remove\\n' | {self._python()} -c {shlex.quote(PROGRAM)}"
            return self._said(self._opened(), script, b"removed").decode(errors="replace")

    def _run(self, plan: Plan, on_outcome: OnOutcome | None) -> VantageRun:
        said = Tail()
        conversation = Conversation(plan, said=said, on_outcome=on_outcome)
        try:
            command = self._opened()
            if self._install and self._bundle is None:
                self._bundle = self._installed(command)
            run_s = (self._patience.first_line_ms + plan.limits.plan_ms + self._patience.grace_ms) / 1000
            key = f"{PLACE}/outcomes/{secrets.token_hex(16)}"
            link = command.link("put_object", key) if command.bucket is not None else ""
            ended = command.run(self._script(plan, link), deliver_s=self._deliver_s, run_s=run_s)
            said.feed(ended.err.encode())
            if ended.out == STORED:
                ended = msgspec.structs.replace(ended, out=command.taken(key).decode(errors="replace"))
            lines = _unpacked(ended)
        except CouldNotError as error:
            conversation.end(str(error))
            return conversation.result()
        for line in lines:
            if not line.startswith(_SAYS):
                conversation.hear(line)
        if not conversation.over:
            when = f"after {conversation.outcomes} outcomes" if conversation.begun else "before the probe's first line"
            self._bundle = None  # somebody may have removed it
            conversation.end(f"ended with exit status {ended.code} {when}{last_words(ended.err)}")
        return conversation.result()

    def _opened(self) -> RunCommand:
        if self._command is None:
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra

            try:
                clients = self._clients or clients_of(self._settings)
                self._command = RunCommand(clients, str(self._settings.instance_id), self._settings.bucket)
            except (BotoCoreError, ClientError) as error:
                raise SsmError(one_line(str(error))) from None
        return self._command

    @property
    def _deliver_s(self) -> float:
        return self._patience.first_line_ms / 1000

    # Scripts

    def _python(self) -> str:
        """The interpreter with its variables; SSM's agent gives a command no HOME."""
        assigned = [f"{key}={value}" for key, value in self._settings.environment.items()]
        return shlex.join([*(["env", *assigned] if assigned else []), self._settings.python])

    def _becomes(self) -> str:
        """What takes ``use``, then plans, and answers them."""
        if not self._install:
            return f"{self._python()} -m brokerproof.probes --serve"
        return f"{self._python()} -c {shlex.quote(PROGRAM)}"

    def _script(self, plan: Plan, link: str) -> str:
        """One plan, answered. The probe ends with its input, so that is held open until its last line is there."""
        packed = base64.b64encode(zlib.compress(encode_plan(plan), 9)).decode()
        uses = (
            f"printf 'use %s %s\\n' {self._bundle.sha256} {self._bundle.size} >&3" if self._bundle is not None else ":"
        )
        python = self._python()
        return f"""\
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
trap '' PIPE
mkfifo "$d/in" "$d/alive" || exit 1
exec 4<>"$d/alive"
setsid sh -c {shlex.quote(_LEAVES)} sh "$d" {_APART} 4>&- &
( {self._becomes()} <"$d/in" >"$d/out"; echo $? >"$d/code" ) 4>&- &
probe=$!
exec 3>"$d/in"
{uses}
{python} -c {shlex.quote(_UNPACK)} {packed} >&3 2>/dev/null
until [ -s "$d/code" ] || grep -q -e '"type":"closing"' -e '"type":"refused"' "$d/out"; do sleep 0.2; done
exec 3>&-
wait $probe
{python} -c {shlex.quote(_PACK)} "$d/out" {shlex.quote(link) if link else ""} && exit "$(cat "$d/code")"
"""

    # The probe

    def _installed(self, command: RunCommand) -> Bundle:
        """The bundle that is there now.

        Raises:
            InstallError: it cannot be put there.
            SsmError: a command could not be carried out.
        """
        far, cached = told_here(self._said(command, f"{self._becomes()} </dev/null", b"here"))
        bundle = bundle_for(far)
        if bundle.sha256 not in cached:
            if command.bucket is not None:
                self._by_bucket(command, bundle)
            else:
                self._by_chunks(command, bundle)
        return bundle

    def _by_bucket(self, command: RunCommand, bundle: Bundle) -> None:
        key = f"{PLACE}/bundles/{bundle.sha256}.zip"
        command.put(key, bundle.read())
        try:
            link = command.link("get_object", key)
            fetch = f"{self._python()} -c {shlex.quote(_FETCH)} {shlex.quote(link)}"
            self._taken(command, bundle, fetch)
        finally:
            command.removed(key)

    def _by_chunks(self, command: RunCommand, bundle: Bundle) -> None:
        """In as many commands as it takes; they gather it in a folder of their own."""
        gathers = f'setsid sh -c {shlex.quote(_GATHERS)} sh "$d" {_GATHERED_MINUTES} {_APART}'
        made = f'd=$(mktemp -d) && {{ {gathers} & echo "$d"; }}'
        place = command.run(made, deliver_s=self._deliver_s, run_s=60).out.strip()
        if not place.startswith("/"):
            raise InstallError("the instance made no folder for the probe")
        quoted = shlex.quote(place)
        data = base64.b64encode(bundle.read()).decode()
        size = SCRIPT_CHARS // 4 * 4 - 1024
        try:
            for start in range(0, len(data), size):
                script = f"printf %s {data[start : start + size]} | base64 -d >>{quoted}/bundle"
                ended = command.run(script, deliver_s=self._deliver_s, run_s=60)
                if ended.code:
                    raise InstallError(f"the probe is not taken: exit status {ended.code}{last_words(ended.err)}")
            self._taken(command, bundle, f"cat {quoted}/bundle")
        finally:
            with suppress(SsmError):
                command.run(f"rm -rf {quoted}", deliver_s=self._deliver_s, run_s=60)

    def _taken(self, command: RunCommand, bundle: Bundle, source: str) -> None:
        script = f"{{ printf 'use %s %s\\n' {bundle.sha256} {bundle.size}; {source}; }} | {self._becomes()}"
        self._said(command, script, b"installed")

    def _said(self, command: RunCommand, script: str, word: bytes) -> bytes:
        """What follows the word in the far program's line.

        Raises:
            InstallError: it says that it cannot, or not that.
        """
        ended = command.run(script, deliver_s=self._deliver_s, run_s=300)
        for line in ended.out.encode().splitlines():
            if line.startswith(_SAYS + b"cannot "):
                raise InstallError(one_line(line[len(_SAYS) + 7 :].decode(errors="replace")))
            if line.startswith(_SAYS + word + b" "):
                return line[len(_SAYS) + len(word) + 1 :]
        raise InstallError(f"the far side did not say {word.decode()}: exit status {ended.code}{last_words(ended.err)}")


def _unpacked(ended: Ended) -> list[bytes]:
    """The probe's lines.

    Raises:
        SsmError: the output is not what the script packs.
    """
    text = ended.out.strip()
    wrong = SsmError(f"the command printed something else than outcomes{last_words(ended.err or text)}")
    if text.endswith(CUT):
        raise SsmError(
            f"the outcomes are more than the {OUTPUT_CHARS:,} characters that Run Command hands over; name a bucket "
            "for them (bucket: of the vantage)"
        )
    if not text.endswith(END):
        raise wrong
    try:
        packed = base64.b64decode(text[: -len(END)], validate=True)
        return zlib.decompressobj().decompress(packed, MAX_RUN_BYTES).splitlines()
    except (ValueError, zlib.error):
        raise wrong from None
