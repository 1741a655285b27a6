"""The machine around set-up is a directory of small scripts; nothing is installed or downloaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

SHELL_TOOLS: Final = ("sh", "dirname", "sed", "grep", "mv", "rm", "cat", "chmod", "env", "sleep")


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    """The only directory on PATH: the shell's own tools, and what a test puts there."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in SHELL_TOOLS:
        found = shutil.which(tool)
        assert found
        (directory / tool).symlink_to(found)
    return directory
