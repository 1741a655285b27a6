"""Survivors behind a command prefix: started, awaited, told to stop. Only the transport lives here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from brokerproof.probes.survival.values import (
    Lived,
    Refused,
    Said,
    Steady,
    SurvivalPlan,
    SurvivalReport,
    decode_said,
    encode,
)
from brokerproof.vantages.process import FarProcess
from brokerproof.vantages.tail import Tail

S = TypeVar("S", SurvivalReport, Lived)
STEADY_S: Final = 300.0
"""From the start to the first word: login, interpreter, topic, group, and Java where it is present."""
REPORT_S: Final = 240.0
"""From being told to stop to the report: what is under way is waited for, and what was made is removed."""
LOOK_S: Final = 10.0
"""What long-lived clients noticed is at hand: only the way there and back takes time."""
GRACE_S: Final = 10.0


class SurvivorsError(Exception):
    """They could not be started, or did not say how it went; the message says why."""


class Survivors:
    """The survivors of one client VPC.

    Raises:
        SurvivorsError: the command cannot be started.
    """

    def __init__(self, name: str, command: Sequence[str], plan: SurvivalPlan) -> None:
        self.name = name
        self._tail = Tail()
        try:
            self._process = FarProcess(command, self._tail)
        except (OSError, ValueError) as problem:
            raise SurvivorsError(f"{name}: cannot start {command[0]!r}: {problem}") from None
        self._process.send(encode(plan))
        self._began = time.monotonic()
        self._steady = False

    def has_begun(self) -> bool:
        """Whether they live as they are meant to by now; does not wait.

        Raises:
            SurvivorsError: they could not begin, or take too long for it.
        """
        if not self._steady:
            left_s = self._began + STEADY_S - time.monotonic()
            said = self._heard(0.0)
            if said is None and left_s <= 0:
                raise SurvivorsError(f"{self.name}: did not become steady within {STEADY_S:g} s")
            self._steady = said is not None
        return self._steady

    def steady(self) -> Steady:
        """Wait until they live as they are meant to.

        Raises:
            SurvivorsError: they do not.
        """
        said = self._hear(STEADY_S, "did not become steady")
        if not isinstance(said, Steady):
            raise SurvivorsError(f"{self.name}: ended before it was steady")
        return said

    def report(self) -> SurvivalReport:
        """Tell them to stop, and wait for what they noticed.

        Raises:
            SurvivorsError: they did not say.
        """
        return self._asked(b"stop", SurvivalReport, REPORT_S, "gave no report")

    def look(self) -> Lived:
        """What long-lived clients (``--established``) noticed since the last look.

        Raises:
            SurvivorsError: they did not say.
        """
        return self._asked(b"look", Lived, LOOK_S, "did not say what it noticed")

    def close(self) -> None:
        """End whatever is left of them."""
        self._process.stop(politely_s=GRACE_S, grace_s=GRACE_S)

    def _asked(self, order: bytes, answer: type[S], limit_s: float, missing: str) -> S:
        self._process.send(order + b"\n")
        said = self._hear(limit_s, missing)
        if not isinstance(said, answer):
            raise SurvivorsError(f"{self.name}: {missing}, and said something else")
        return said

    def _hear(self, limit_s: float, missing: str) -> Said:
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            said = self._heard(until - time.monotonic())
            if said is not None:
                return said
        raise self._silence(f"{missing} within {limit_s:g} s")

    def _heard(self, limit_s: float) -> Said | None:
        """What was said within a time; None where it was nothing."""
        heard = self._process.listen(limit_s)
        for line in heard.lines:
            try:
                said = decode_said(line)
            except msgspec.DecodeError:
                self._tail.feed_line(line)
                continue
            if isinstance(said, Refused):
                raise SurvivorsError(f"{self.name}: {said.why}")
            return said
        if heard.ended or heard.endless:
            raise self._silence("ended without a word")
        return None

    def _silence(self, what: str) -> SurvivorsError:
        words = self._tail.text().strip().splitlines()
        return SurvivorsError(f"{self.name}: {what}{f': {words[-1]}' if words else ''}")
