"""The lock file and the Makefile, as they are committed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Final

from tests.provision.machine import ROOT


class TestTheLock:
    LOCK: Final = (ROOT / "requirements.lock").read_text()

    def test_it_names_no_address_and_no_path(self) -> None:
        assert not re.findall(r"//|--index|--extra-index|--find-links|# +via|file:|^/", self.LOCK, re.MULTILINE)

    def test_every_package_is_pinned_and_hashed(self) -> None:
        entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", self.LOCK, flags=re.MULTILINE).strip())
        assert len(entries) > 40
        for entry in entries:
            assert re.match(r"[a-z0-9-]+==\S+", entry)
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry)

    def test_it_is_the_lock_of_this_project(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
        locked = set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", self.LOCK, re.MULTILINE))
        assert {line.replace(".", "-", line.split("==")[0].count(".")) for line in wanted} <= locked


def test_make_help_names_every_target() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^  make (\S+) +\S", said.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert targets == phony[1].split()
    assert {"demo", "test", "setup", "gates", "lock", "schema", "bench", "clean"} <= set(targets)
