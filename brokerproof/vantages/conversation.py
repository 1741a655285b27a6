"""The probe's side of one run, judged line by line: pure, no I/O.

This module knows the order of the lines (``started``, outcomes and samples, ``closing``; or ``refused``) and what
breaks it. Whether outcomes answer the plan is for :mod:`.answering`. It knows no processes, no time, and not what an
outcome means.
"""

from __future__ import annotations

from typing import Final

import msgspec

from brokerproof.probes.outcome import Closing, Outcome, Refused, SampleBlock, Started, decode_line
from brokerproof.probes.outcome.foreign_text import ours
from brokerproof.probes.plan import Plan
from brokerproof.vantages.answering import Answering
from brokerproof.vantages.protocol import OnOutcome, VantageRun
from brokerproof.vantages.tail import Tail, printable
from brokerproof.wording import one_line

MAX_RUN_BYTES: Final = 64 * 1024 * 1024
"""More than this from one run is not a probe talking (an outcome is a few KB)."""

MAX_RUBBISH: Final = 10_000
"""Lines behind the probe's first that are not its own: who prints more is not going to stop."""
_QUOTED: Final = 120


class Conversation:
    """Hears the lines of one run and turns them into a :class:`VantageRun`.

    Lines that are not the probe's are tolerated before its first line (a login banner, a
    ``kubectl`` notice) and are a fault after it: then something else writes where the evidence
    comes from. All of them are kept in ``said``.
    """

    def __init__(self, plan: Plan, *, said: Tail, on_outcome: OnOutcome | None = None) -> None:
        self._plan_id = plan.plan_id
        self._answering = Answering(plan)
        self._said = said
        self._on_outcome = on_outcome
        self._started: Started | None = None
        self._outcomes: list[Outcome] = []
        self._samples: list[SampleBlock] = []
        self._closing: Closing | None = None
        self._faults: list[str] = []
        self._rubbish = 0
        self._rubbish_example = ""
        self._heard_bytes = 0
        self._over = False
        self._refused = False
        self._said_more = False

    @property
    def begun(self) -> bool:
        """Whether the first line of this run was heard."""
        return self._started is not None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be heard: closed, refused, or beyond trust."""
        return self._over

    @property
    def trusted(self) -> bool:
        """Whether the far side kept to the order of lines, so that it can be sent another plan."""
        return not self._said_more and (self._refused or not self.result().error)

    @property
    def outcomes(self) -> int:
        """How many outcomes were heard."""
        return len(self._outcomes)

    def hear(self, line: bytes) -> None:
        """Take one line, without its line end."""
        if not line.strip():
            return
        if self._over:
            self._said_more = True
            self._said.feed_line(line)
            return
        self._heard_bytes += len(line) + 1
        if self._heard_bytes > MAX_RUN_BYTES:
            self.end(f"printed more than {MAX_RUN_BYTES >> 20} MiB in one run")
            return
        try:
            heard = decode_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._take_rubbish(line, error)
            return
        match heard:
            case Started():
                self._take_started(heard, line)
            case Outcome():
                self._take_outcome(heard, line)
            case SampleBlock():
                self._take_samples(heard, line)
            case Closing():
                self._take_closing(heard, line)
            case Refused():
                self._refused = True
                self.end(f"refused the plan: {one_line(heard.why)}")

    def end(self, fault: str) -> None:
        """Note why the run ends badly and hear no more of it."""
        self._faults.append(fault)
        self._over = True

    def result(self) -> VantageRun:
        """The run as heard so far."""
        faults = list(self._faults)
        if self._rubbish and self.begun:
            lines = "a line that is" if self._rubbish == 1 else f"{self._rubbish} lines that are"
            faults.append(f"printed {lines} not the probe's: {self._rubbish_example}")
        if self._closing is None and not faults:
            faults.append("sent no closing line")
        return VantageRun(
            started=self._started,
            outcomes=tuple(self._outcomes),
            samples=tuple(self._samples),
            closing=self._closing,
            error=one_line("; ".join(faults)),
            said=self._said.text(),
        )

    def _take_started(self, started: Started, line: bytes) -> None:
        if self._started is not None:
            self._said.feed_line(line)
            self.end("sent its first line twice")
        elif started.plan_id != self._plan_id:
            self._said.feed_line(line)
            self.end(f"answered for plan {started.plan_id[:_QUOTED]!r}, asked for {self._plan_id!r}")
        else:
            self._started = ours(started)

    def _take_outcome(self, outcome: Outcome, line: bytes) -> None:
        if self._started is None:
            # An outcome does not name its plan; without a first line nobody knows whose it is.
            self._said.feed_line(line)
            self.end("sent an outcome before its first line")
            return
        fault = self._answering.fault(outcome)
        if fault:
            self._said.feed_line(line)
            self.end(one_line(fault))
            return
        outcome = ours(outcome)
        self._outcomes.append(outcome)
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    def _take_samples(self, block: SampleBlock, line: bytes) -> None:
        if self._started is None:
            self._said.feed_line(line)
            self.end("sent samples before its first line")
            return
        self._samples.append(block)

    def _take_closing(self, closing: Closing, line: bytes) -> None:
        if self._started is None:
            self._said.feed_line(line)
            self.end("sent a closing line before its first line")
            return
        self._over = True
        self._closing = ours(closing)
        self._faults.extend(one_line(fault) for fault in self._answering.contradictions(closing.duration_ns))
        if closing.plan_id != self._plan_id:
            self._faults.append(f"closed plan {closing.plan_id[:_QUOTED]!r}, asked for {self._plan_id!r}")
        if closing.outcomes != len(self._outcomes):
            self._faults.append(f"its closing line counts {closing.outcomes} outcomes, {len(self._outcomes)} arrived")
        if closing.sample_blocks != len(self._samples):
            counted = f"{closing.sample_blocks} blocks of samples"
            self._faults.append(f"its closing line counts {counted}, {len(self._samples)} arrived")

    def _take_rubbish(self, line: bytes, error: Exception) -> None:
        self._said.feed_line(line)
        if not self.begun:
            return
        self._rubbish += 1
        if self._rubbish > MAX_RUBBISH:
            self.end(f"printed more than {MAX_RUBBISH} lines that are not the probe's")
            return
        if not self._rubbish_example:
            shown = printable(line[:_QUOTED])
            why = f" ({error})" if line.lstrip().startswith(b"{") else ""
            self._rubbish_example = f"{shown!r}{why}"
