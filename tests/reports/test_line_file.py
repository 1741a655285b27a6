"""A file of lines grows by whole lines, whatever the kernel takes at once and whoever else writes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brokerproof.reports.line_file import LineFile


def test_lines_of_several_threads_stay_whole_where_the_kernel_takes_a_few_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    lines = [f"{number:04} {'x' * 50}".encode() for number in range(60)]
    with LineFile.create(tmp_path / "lines", b"first") as file:
        monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content[:7])))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(file.append, lines))
    first, *others = (tmp_path / "lines").read_bytes().splitlines()
    assert first == b"first"
    assert sorted(others) == lines


def test_synced_reaches_the_disk_with_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for wanted in (False, True):
        with LineFile.create(tmp_path / f"lines-{wanted}", b"first", synced=wanted) as file:
            synced.clear()
            file.append(b"second")
            assert len(synced) == wanted


def test_a_file_is_not_begun_over_another(tmp_path: Path) -> None:
    LineFile.create(tmp_path / "lines", b"first").close()
    with pytest.raises(FileExistsError):
        LineFile.create(tmp_path / "lines", b"other")
    assert (tmp_path / "lines").read_bytes() == b"first\n"


def test_what_was_cut_short_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\nsec")
    with LineFile(path) as file:
        file.cut(len(b"first\n"))
        file.append(b"third")
    file.close()
    assert path.read_bytes() == b"first\nthird\n"
