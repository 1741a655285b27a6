"""The lock file and the Makefile, as they are committed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
        extras = declared["project"]["optional-dependencies"]
        wanted = [*declared["project"]["dependencies"], *declared["dependency-groups"]["dev"]]
        wanted += [line for name, lines in extras.items() if name != "all" for line in lines]
        locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", self.LOCK, re.MULTILINE))
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement

    def test_what_is_declared_is_a_floor_and_no_pin(self) -> None:
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
        extras = declared["project"]["optional-dependencies"]
        lists = [declared["project"]["dependencies"], declared["dependency-groups"]["dev"], *extras.values()]
        for requirement in (Requirement(line) for lines in lists for line in lines):
            assert requirement.name == "brokerproof" or ">=" in {each.operator for each in requirement.specifier}
            assert "==" not in {each.operator for each in requirement.specifier}


def test_make_help_names_every_target() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^  make (\S+) +\S", said.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert targets == phony[1].split()
    assert {"demo", "test", "setup", "gates", "lock", "schema", "bench", "clean"} <= set(targets)
