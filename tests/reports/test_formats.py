"""Every report format that is listed: its file, its rendering, and how it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.reports.formats import FORMATS, ON_REQUEST, report_format
from brokerproof.reports.render import render_all
from tests.reports.builder import mixed
from tests.reports.recording import record


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_renders_a_run_as_bytes(name: str) -> None:
    made = report_format(name).render(mixed())
    content = made if isinstance(made, bytes) else b"".join(made)

    assert mixed().clients[0].view.client.encode() in content


def test_each_format_has_a_file_of_its_own() -> None:
    files = [report_format(name).file for name in FORMATS]

    assert len(set(files)) == len(files)
    assert all(Path(file).name == file for file in files)


def test_a_run_is_written_in_every_format_and_those_on_request_where_asked_for(tmp_path: Path) -> None:
    record(tmp_path, mixed().clients)

    usual = render_all(tmp_path)
    asked = render_all(tmp_path, also=ON_REQUEST)

    assert [*asked.files] == [*FORMATS]
    assert [*usual.files] == [name for name in FORMATS if name not in ON_REQUEST]
    assert {path.name for path in asked.files.values()} == {report_format(name).file for name in FORMATS}
    assert all(path.stat().st_size for path in asked.files.values())
