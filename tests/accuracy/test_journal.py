"""What was measured stays, whatever ended the proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.accuracy.trial_journal import NAME, JournalError, TrialJournal, read
from tests.accuracy.made import HEADER, fault, named, trial

FIRST = trial(fault("dns.one"), found=(named("dns.one"),))
SECOND = trial(fault("dns.two"), problem="the lab ended")
THIRD = trial()


def test_each_trial_is_on_disk_before_the_next(tmp_path: Path) -> None:
    with TrialJournal.begin(tmp_path / "new" / "folder", HEADER) as journal:
        for number, one in enumerate((FIRST, SECOND, THIRD), start=1):
            journal.add(one)
            header, there = read(journal.path)
            assert header == HEADER
            assert there == (FIRST, SECOND, THIRD)[:number]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_line_that_was_cut_short_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    with TrialJournal.begin(tmp_path, HEADER) as journal:
        journal.add(FIRST)
        journal.add(THIRD)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    with TrialJournal.resume(tmp_path) as journal:
        assert journal.done == (FIRST,)
        journal.add(THIRD)
    assert read(path) == (HEADER, (FIRST, THIRD))


def test_what_could_not_be_carried_out_is_tried_again(tmp_path: Path) -> None:
    mended = trial(fault("dns.two"), found=(named("dns.two"),))
    with TrialJournal.begin(tmp_path, HEADER) as journal:
        journal.add(FIRST)
        journal.add(SECOND)
        assert journal.done == (FIRST,)
    with TrialJournal.resume(tmp_path) as journal:
        journal.add(mended)
        assert journal.done == (FIRST, mended)
    assert read(tmp_path / NAME)[1] == (FIRST, mended)


def test_a_journal_is_not_begun_over_another(tmp_path: Path) -> None:
    TrialJournal.begin(tmp_path, HEADER).close()
    with pytest.raises(JournalError, match="--resume"):
        TrialJournal.begin(tmp_path, HEADER)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no whole line"),
        (b"{}", "no whole line"),
        (b"{}\n", "line 1: not written by this version"),
        (b'{"header": 1}\n', "line 1"),
    ],
)
def test_what_is_no_journal_is_said_so(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(JournalError, match=words):
        TrialJournal.resume(tmp_path)


def test_a_line_that_is_no_trial_is_named(tmp_path: Path) -> None:
    with TrialJournal.begin(tmp_path, HEADER) as journal:
        journal.add(FIRST)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"case_id": 3}\n')
    with pytest.raises(JournalError, match="line 3: not written by this version"):
        TrialJournal.resume(tmp_path)


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="file: cannot be made: File exists"):
        TrialJournal.begin(tmp_path / "file", HEADER)
