"""The journal of a proof: a header and one JSON line a trial, on disk before the next one begins.

What was measured survives Ctrl-C, a crash and a full disk; a line that was cut short is dropped
when the journal is continued. Only reading and writing live here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from brokerproof.accuracy.trial import Header, Trial
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.line_file import LineFile

T = TypeVar("T")

NAME: Final = "trials.jsonl"

_headers: Final = msgspec.json.Decoder(Header)
_trials: Final = msgspec.json.Decoder(Trial)


class JournalError(WrongUseError):
    """The journal cannot be used; one sentence states why and what to do."""


def read(path: Path) -> tuple[Header, tuple[Trial, ...]]:
    """What a journal holds; a last line without its line end is not counted.

    Raises:
        JournalError: there is none, it has no header, or a line is not a trial.
    """
    header, trials, _ = _read(path)
    return header, trials


def _read(path: Path) -> tuple[Header, tuple[Trial, ...], int]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror or error}") from None
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines:
        raise JournalError(f"{path}: there is no whole line in it; begin anew in another folder")
    header = _decoded(_headers, lines[0], f"{path}, line 1")
    trials = (_decoded(_trials, line, f"{path}, line {number}") for number, line in enumerate(lines[1:], start=2))
    return header, latest(trials), len(whole)


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes, place: str) -> T:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError as error:
        raise JournalError(f"{place}: not written by this version: {error}") from None


def latest(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """One trial a case: what could not be carried out is tried again when a proof is continued."""
    return tuple({trial.case_id: trial for trial in trials}.values())


class TrialJournal:
    """A journal that is being written. Each line is on disk when its call returns."""

    def __init__(self, path: Path, header: Header, trials: tuple[Trial, ...], file: LineFile) -> None:
        self.path = path
        self.header = header
        self.trials = list(trials)
        self._file = file

    @classmethod
    def begin(cls, folder: Path, header: Header) -> Self:
        """A new journal.

        Raises:
            JournalError: the folder has one already, or cannot be written.
        """
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{folder}: cannot be made: {error.strerror or error}") from None
        try:
            file = LineFile.create(path, encode_json(header), synced=True)
        except FileExistsError:
            raise JournalError(
                f"{path} is there already: continue it with --resume, or choose another folder"
            ) from None
        except OSError as error:
            raise JournalError(f"{path}: cannot be written: {error.strerror or error}") from None
        return cls(path, header, (), file)

    @classmethod
    def resume(cls, folder: Path) -> Self:
        """An earlier journal, to be continued behind its last whole line.

        Raises:
            JournalError: there is none, or it cannot be used.
        """
        path = folder / NAME
        header, trials, size = _read(path)
        try:
            file = LineFile(path, synced=True)
        except OSError as error:
            raise JournalError(f"{path}: cannot be written: {error.strerror or error}") from None
        file.cut(size)
        return cls(path, header, trials, file)

    @property
    def done(self) -> tuple[Trial, ...]:
        """The trials that need not be carried out again."""
        return tuple(trial for trial in latest(self.trials) if not trial.problem)

    def add(self, trial: Trial) -> None:
        """One more trial.

        Raises:
            JournalError: it cannot be written.
        """
        try:
            self._file.append(encode_json(trial))
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self.trials.append(trial)

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
