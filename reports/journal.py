"""The journal: a run written down as it happens, one file a process, one JSON line an event.

Each line reaches the kernel before the call returns, so a killed process leaves everything that it had
written. :mod:`brokerproof.reports.merge` reads the journals back; judging and drawing happen elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from brokerproof.comparison.values import Comparison
from brokerproof.diagnosis.check import Check
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome import Line, SampleBlock, Started
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.document import Drawing, Run, TestResult, TopologyAudit, UtcTime
from brokerproof.reports.line_file import LineFile
from brokerproof.reports.words import encodable
from brokerproof.topology.expectation.view import ClientView

RESULTS: Final = Path("results")
"""Runs are recorded in folders below it, unless told otherwise."""
JOURNAL_FOLDER: Final = "journal"
SUFFIX: Final = ".jsonl"
OWNER: Final = "run"
"""Name of the journal of the process that starts and ends the run; workers use their own."""


class JournalError(WrongUseError):
    """The run directory cannot be written as, or read as, the journals of one run."""


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event"):
    """One line of a journal."""


class Opened(_Event, frozen=True, kw_only=True, tag="opened"):
    """First line of every journal: which run this is, and which process of it is writing."""

    run: Run
    writer: str
    at: UtcTime


class ClientSeen(_Event, frozen=True, kw_only=True, tag="client_seen"):
    """A client is about to be probed; later lines refer to it by ``section``, unique in one file."""

    section: int
    view: ClientView
    label: str
    topology_digest: str
    ran_as: str = ""


class Drawn(_Event, frozen=True, kw_only=True, tag="drawn"):
    """The picture of a topology whose clients follow."""

    drawing: Drawing


class Audited(_Event, frozen=True, kw_only=True, tag="audited"):
    """What the account's configuration proves of a topology whose clients follow."""

    audit: TopologyAudit


class ProbeLine(_Event, frozen=True, kw_only=True, tag="probe_line"):
    """A line of the probe, as it came."""

    section: int
    line: Line


class Sampled(_Event, frozen=True, kw_only=True, tag="sampled"):
    """Samples of one client's turn in a round of a comparison; ``started`` is that turn's first line."""

    section: int
    round: int
    started: Started
    blocks: tuple[SampleBlock, ...]


class VantageFailed(_Event, frozen=True, kw_only=True, tag="vantage_failed"):
    """The probe could not be reached, or died, or talked rubbish."""

    section: int
    why: str


class Judged(_Event, frozen=True, kw_only=True, tag="judged"):
    """Checks of one client; several such lines add up."""

    section: int
    checks: tuple[Check, ...]


class ComparedPairs(_Event, frozen=True, kw_only=True, tag="compared"):
    """What the samples of all turns say."""

    comparison: Comparison


class Tested(_Event, frozen=True, kw_only=True, tag="tested"):
    """A test ended one of its phases."""

    result: TestResult


class Closed(_Event, frozen=True, kw_only=True, tag="closed"):
    """Last line of every journal: its process wrote everything."""

    at: UtcTime


class RunFinished(_Event, frozen=True, kw_only=True, tag="run_finished"):
    """The owner's word that the run is over. ``cut_short`` is why it ended early, else empty.

    ``writers`` are the other processes the owner knows of: one that left no journal is missed.
    """

    at: UtcTime
    cut_short: str = ""
    writers: tuple[str, ...] = ()


Event = (
    Opened
    | Drawn
    | Audited
    | ClientSeen
    | ProbeLine
    | Sampled
    | VantageFailed
    | Judged
    | ComparedPairs
    | Tested
    | RunFinished
    | Closed
)


def _now() -> datetime:
    return datetime.now(UTC)


def _line(event: Event) -> bytes:
    try:
        return encode_json(event)
    except UnicodeEncodeError:
        # What a broken vantage said may hold bytes that were no text. A word spelt out beats a lost line.
        return encode_json(_encodable(msgspec.to_builtins(event)))


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return encodable(value)
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case _:
            return value


class ClientJournal:
    """Where one client's run is written down; made by :meth:`Journal.client`."""

    def __init__(self, journal: Journal, section: int) -> None:
        self._journal = journal
        self._section = section
        self._check_ids: set[str] = set()

    def line(self, line: Line) -> None:
        """A line of the probe: who it is, an outcome, the closing line, or a refusal."""
        self._journal.append(ProbeLine(section=self._section, line=line))

    def sampled(self, number: int, started: Started, blocks: Iterable[SampleBlock]) -> None:
        """Samples of a turn in round ``number`` of a comparison, which count from 1."""
        self._journal.append(Sampled(section=self._section, round=number, started=started, blocks=tuple(blocks)))

    def vantage_failed(self, why: str) -> None:
        """What went wrong between this host and the probe."""
        self._journal.append(VantageFailed(section=self._section, why=why))

    def checks(self, checks: Iterable[Check]) -> None:
        """What the outcomes mean. May be called again with more checks.

        Raises:
            ValueError: a check id was given before.
        """
        checks = tuple(checks)
        for check in checks:
            if check.check_id in self._check_ids:
                raise ValueError(f"check {check.check_id} was recorded before")
            self._check_ids.add(check.check_id)
        self._journal.append(Judged(section=self._section, checks=checks))


def refuse_used(run_dir: Path) -> None:
    """See that no run was recorded in a folder, before anything is done.

    Raises:
        JournalError: one was, or it is no folder.
    """
    if run_dir.exists() and not run_dir.is_dir():
        raise JournalError(f"{run_dir} is no folder: a run is recorded in a folder of its own")
    if any((run_dir / JOURNAL_FOLDER).glob(f"*{SUFFIX}")):
        raise JournalError(f"{run_dir} holds an earlier run: give each run a folder of its own, or remove that one")


class Journal:
    """One process's journal of a run.

    Leaving the context closes the file and no more: only :meth:`close_complete` and
    :meth:`finish_run` say that nothing is missing, so a run that raises is seen as cut short.
    """

    def __init__(self, file: LineFile) -> None:
        self._file = file
        self._sections = itertools.count()
        self._names: set[tuple[str, str, str]] = set()
        self._drawn: set[str] = set()
        self._audited: set[str] = set()

    @classmethod
    def open(cls, run_dir: Path, run: Run, *, writer: str = OWNER, at: datetime | None = None) -> Journal:
        """Begin the journal of process ``writer`` in ``run_dir``, which is made if need be.

        ``at``: when the run began, where that is not now.

        The file never exists without its first line, so whatever is found can be told apart.

        Raises:
            JournalError: this writer has a journal there already (a run directory serves one run).
            OSError: the folder cannot be written.
        """
        folder = run_dir / JOURNAL_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{writer}{SUFFIX}"
        try:
            return cls(LineFile.create(path, _line(Opened(run=run, writer=writer, at=at or _now()))))
        except FileExistsError:
            raise JournalError(f"{path} is there already: give each run a directory of its own") from None

    def append(self, event: Event) -> None:
        """Write one event; it survives this process from here on.

        Raises:
            OSError: the disk is full or gone.
        """
        self._file.append(_line(event))

    def client(
        self, view: ClientView, *, label: str = "", topology_digest: str = "", ran_as: str = ""
    ) -> ClientJournal:
        """Begin a client; do it before the probe starts, so that a crash shows what it was doing.

        ``ran_as``: where the probe ran, where that is not the client's own host.

        Raises:
            ValueError: this client, pattern and label were begun before in this journal.
        """
        name = (view.pattern, view.client, label)
        if name in self._names:
            raise ValueError(f"client {view.client} through {view.pattern} {label} was begun before")
        self._names.add(name)
        section = next(self._sections)
        self.append(ClientSeen(section=section, view=view, label=label, topology_digest=topology_digest, ran_as=ran_as))
        return ClientJournal(self, section)

    def drawn(self, topology_digest: str) -> bool:
        """Whether this journal has the picture of that topology."""
        return topology_digest in self._drawn

    def drawing(self, drawing: Drawing) -> None:
        """The picture of a topology; written once, however often it is given."""
        if not self.drawn(drawing.topology_digest):
            self._drawn.add(drawing.topology_digest)
            self.append(Drawn(drawing=drawing))

    def audited(self, audit: TopologyAudit) -> None:
        """What the account shows of a topology; written once, however often it is given."""
        if audit.topology_digest not in self._audited:
            self._audited.add(audit.topology_digest)
            self.append(Audited(audit=audit))

    def compared(self, comparison: Comparison) -> None:
        """What the samples of all turns say."""
        self.append(ComparedPairs(comparison=comparison))

    def test(self, result: TestResult) -> None:
        """A test's result, or that of one of its phases; the worst of them is kept."""
        self.append(Tested(result=result))

    def close_complete(self) -> None:
        """Write that this process wrote everything, and close."""
        self.append(Closed(at=_now()))
        self.close()

    def finish_run(self, *, cut_short: str = "", writers: Iterable[str] = (), at: datetime | None = None) -> None:
        """Say that the run is over, and close. For the owner of the run, and only once.

        Args:
            cut_short: why it ended early (``interrupted``), empty when it did not.
            writers: the other processes that took part, so that a lost journal is missed.
            at: when it ended, where that is not now.
        """
        self.append(RunFinished(at=at or _now(), cut_short=cut_short, writers=tuple(writers)))
        self.close_complete()

    def close(self) -> None:
        """Close the file without saying that all is written. Harmless when closed."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
