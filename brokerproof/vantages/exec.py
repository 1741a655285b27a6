"""The vantage behind a command prefix that lands in the client VPC, kept running between plans.

``ip netns exec NAME``, ``ssh HOST --``, ``kubectl exec -i POD --``, ``docker exec -i CONTAINER``:
whatever runs a command there with its stdin and stdout connected (no terminal) is a vantage.
Only the transport lives here; what the lines mean is in :mod:`brokerproof.vantages.conversation`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from typing import Final, Protocol

import msgspec

from brokerproof.errors import CouldNotError
from brokerproof.probes.outcome.bounds import LINE_BYTES
from brokerproof.probes.plan import Plan, encode_plan
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.one_at_a_time import OneAtATime
from brokerproof.vantages.process import FarProcess
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from brokerproof.vantages.tail import Tail

_LAST_WORDS: Final = 300
PYTHON: Final = "python3"
"""The interpreter where nothing else is said."""
INSTALL: Final = "install"


class Patience(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a vantage waits for its far side beyond what the plan itself allows."""

    first_line_ms: int = 20_000
    """From sending the plan to the probe's first line; holds login and interpreter start."""
    grace_ms: int = 10_000
    """After the plan's own deadline: the probe ends its stages and removes topic and group."""
    terminate_ms: int = 5_000
    """From SIGTERM, or from the end of stdin at :meth:`ExecVantage.close`, to the next harder step."""


SERVE: Final = ("brokerproof.probes", "--serve")


def probe_command(
    prefix: Sequence[str],
    *,
    python: str,
    environment: Mapping[str, str],
    far_shell: bool = False,
    install: bool = False,
    module: Sequence[str] = SERVE,
) -> tuple[str, ...]:
    """The whole command: prefix, environment, and ``python -m`` with the module and its arguments.

    ``install``: instead of the probe, which need not be there, the program that takes it and becomes it.

    Variables are set with ``env`` on the far side, because ssh, kubectl and docker do not pass
    the caller's environment on. ``far_shell``: whether the prefix hands its words to a shell
    there, as ssh does, which joins them with spaces (``ssh(1)``); they are then quoted for it.
    """
    assignments = [f"{key}={value}" for key, value in environment.items()]
    program = ["-c", _program()] if install else ["-m", *module]
    words = [*(["env", *assignments] if assignments else []), python, *program]
    return (*prefix, *(map(shlex.quote, words) if far_shell else words))


def _program() -> str:
    from brokerproof.vantages.installing import PROGRAM  # noqa: PLC0415  where the probe is, nothing of this is needed

    return PROGRAM


class ExecSettings(Protocol):
    """What a topology file says of such a vantage."""

    @property
    def command(self) -> Sequence[str]:
        """The prefix that lands in the client VPC."""
        ...

    @property
    def python(self) -> str:
        """The interpreter there."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The probe's variables there."""
        ...

    @property
    def far_shell(self) -> bool | None:
        """Whether the prefix hands its words to a shell there; None is no."""
        ...

    @property
    def probe(self) -> str | None:
        """``install``: the probe is put there; ``present``: it is there. None: present where its place is stated."""
        ...


def installs(settings: ExecSettings) -> bool:
    """Whether the probe is to be put there."""
    if settings.probe is not None:
        return settings.probe == INSTALL
    return settings.python == PYTHON and "PYTHONPATH" not in settings.environment


def open_vantage(client: str, settings: ExecSettings) -> ExecVantage:
    """The vantage of a client that a command prefix leads to."""
    return ExecVantage(
        client,
        settings.command,
        python=settings.python,
        environment=settings.environment,
        far_shell=bool(settings.far_shell),
        install=installs(settings),
    )


class ExecVantage(OneAtATime):
    """Runs plans through one probe process behind a command prefix.

    The process starts with the first plan and serves the following ones, so that login and
    interpreter start are paid once; after it died, or was ended for hanging, the next run starts
    another. The bound of a run is ``first_line_ms`` for the first line, and from then on the plan's own
    ``plan_ms`` plus ``grace_ms``. Past it the process is ended and the run is an error.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        python: str = "python3",
        environment: Mapping[str, str] | None = None,
        far_shell: bool = False,
        install: bool = False,
        patience: Patience | None = None,
    ) -> None:
        """``install``: the probe need not be there; it is put into the far side's cache."""
        super().__init__(name)
        self._install = install
        self._command = probe_command(
            command, python=python, environment=environment or {}, far_shell=far_shell, install=install
        )
        self._patience = patience or Patience()
        self._process: FarProcess | None = None
        self._ready = False
        """Whether the far side has become the probe."""

    @property
    def command(self) -> tuple[str, ...]:
        """The command the probe process is started with."""
        return self._command

    @property
    def pid(self) -> int | None:
        """The running command's process id; None while there is none."""
        return self._process.pid if self._process else None

    def prepare(self) -> None:
        """Start the probe's process ahead of its first plan; what keeps it from starting is told by that plan's run."""
        with self._one_at_a_time, suppress(OSError, ValueError):
            self._ready_process(Tail())

    def forget(self) -> str:
        """Remove every probe that was put there; returns where they were.

        Raises:
            InstallError: it cannot be.
        """
        from brokerproof.vantages.installing import remove  # noqa: PLC0415  as in _program

        with self._one_at_a_time:
            process = self._ready_process(Tail())
            try:
                return remove(process, first_line_ms=self._patience.first_line_ms)
            finally:
                self._retire(politely=True)

    def _end(self) -> None:
        """End the probe process: its stdin, then SIGTERM, then SIGKILL to its group."""
        self._retire(politely=True)

    def _run(self, plan: Plan, on_outcome: OnOutcome | None) -> VantageRun:
        said = Tail()
        conversation = Conversation(plan, said=said, on_outcome=on_outcome)
        with ExitStack() as until_begun:
            if self._usable(said) is None:
                until_begun.enter_context(self._turn())
            return self._run_in(conversation, plan, said, until_begun)

    def _run_in(self, conversation: Conversation, plan: Plan, said: Tail, until_begun: ExitStack) -> VantageRun:
        try:
            process = self._process or self._started(said)
        except CouldNotError as error:
            conversation.end(str(error))
            return conversation.result()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            conversation.end(f"cannot start {self._command[0]!r}: {why}")
            return conversation.result()
        try:
            if self._install and not self._ready:
                from brokerproof.vantages.installing import install  # noqa: PLC0415  as in _program

                try:
                    install(process, first_line_ms=self._patience.first_line_ms)
                except CouldNotError as error:
                    self._retire(politely=False)
                    conversation.end(str(error))
                    return conversation.result()
                self._ready = True
            process.send(encode_plan(plan))
            self._hear_out(plan, process, conversation, until_begun)
        except BaseException:
            # The caller's own callback, or Ctrl-C: the process is amid a plan nobody listens to.
            self._retire(politely=False)
            raise
        return conversation.result()

    def _turn(self) -> AbstractContextManager[object]:
        """What is held while a process starts there, until its first line; waited for outside of every limit."""
        return nullcontext()

    def _ready_process(self, said: Tail) -> FarProcess:
        return self._usable(said) or self._started(said)

    def _usable(self, said: Tail) -> FarProcess | None:
        """The process that can take a plan; one that cannot is ended."""
        if self._process is not None:
            self._process.tail = said
            if not self._process.idle():
                self._retire(politely=False)
        return self._process

    def _started(self, said: Tail) -> FarProcess:
        self._prepare()
        self._process = FarProcess(self._command, said)
        self._ready = False
        return self._process

    def _prepare(self) -> None:
        """Make what the command needs, before each start of it.

        Raises:
            CouldNotError: it cannot be made.
        """

    def _hear_out(self, plan: Plan, process: FarProcess, conversation: Conversation, until_begun: ExitStack) -> None:
        """Listen until the conversation is over, the process ends, or time is up."""
        patience = self._patience
        until = time.monotonic() + patience.first_line_ms / 1000
        begun = False
        while True:
            heard = process.listen(until - time.monotonic())
            for line in heard.lines:
                conversation.hear(line)
            if conversation.begun and not begun:
                begun = True
                until_begun.close()
                until = time.monotonic() + (plan.limits.plan_ms + patience.grace_ms) / 1000
            if conversation.over:
                for line in process.listen(0).lines:
                    conversation.hear(line)
                if not conversation.trusted:
                    self._retire(politely=False)
                return
            if heard.endless:
                conversation.end(f"printed more than {LINE_BYTES >> 20} MiB without a line end")
                self._retire(politely=False)
                return
            if heard.ended:
                self._hear_death(process, conversation)
                return
            if time.monotonic() >= until:
                self._hear_overrun(plan, process, conversation)
                return

    def _hear_death(self, process: FarProcess, conversation: Conversation) -> None:
        """Report how the output ended before the closing line, with the last words."""
        for line in self._retire(politely=True):
            conversation.hear(line)
        if conversation.over:
            return
        if conversation.begun:
            when = f"after {conversation.outcomes} outcomes, without a closing line"
        else:
            when = "before the probe's first line"
        how = process.ending() if process.ended_itself else "closed its output but ran on"
        conversation.end(f"{how} {when}{_last_words(process.tail)}")

    def _hear_overrun(self, plan: Plan, process: FarProcess, conversation: Conversation) -> None:
        """End the process after its time, keep its last output, and report that it was ended."""
        patience = self._patience
        if conversation.begun:
            allowed = f"{plan.limits.plan_ms} ms of the plan and {patience.grace_ms} ms more"
            missing = f"no closing line within {allowed} ({conversation.outcomes} outcomes arrived)"
        else:
            missing = f"no first line of the probe within {patience.first_line_ms} ms"
        for line in self._retire(politely=False):
            conversation.hear(line)
        conversation.end(f"{missing}; it was told to end and {process.ending()}{_last_words(process.tail)}")

    def _retire(self, *, politely: bool) -> tuple[bytes, ...]:
        """End the process, if there is one; returns what it still printed."""
        process, self._process = self._process, None
        if process is None:
            return ()
        terminate_s = self._patience.terminate_ms / 1000
        return process.stop(politely_s=terminate_s if politely else 0, grace_s=terminate_s)


def _last_words(tail: Tail) -> str:
    lines = tail.text().splitlines()
    return f": {lines[-1][-_LAST_WORDS:]}" if lines else ""
