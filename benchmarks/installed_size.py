"""What pip installs, in MB: the package alone and with each extra, at the versions of the lock.

Builds the wheel, and installs it into a new environment for each row; pip itself is not counted. Needs a package index.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final, cast

ROOT: Final = Path(__file__).resolve().parents[1]
MB: Final = 1_000_000
_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


def main() -> None:
    """Print a row for each extra."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        constraints = place / "constraints.txt"
        constraints.write_text(pins((ROOT / "requirements.lock").read_text()))
        run(sys.executable, *_PIP, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={place}", str(ROOT))
        (wheel,) = place.glob("*.whl")
        print(f"{'installed':<42} {'MB':>6} {'packages':>9}")
        client_host = [*cast("list[str]", project["optional-dependencies"]["probe"])]
        row("--no-deps, and what [probe] lists", ["--no-deps", str(wheel)], client_host, place, constraints)
        row("brokerproof", [str(wheel)], [], place, constraints)
        for extra in sorted(project["optional-dependencies"].keys() - {"all", "probe"}):
            row(f"brokerproof[{extra}]", [f"{wheel}[{extra}]"], [], place, constraints)
        row("brokerproof[all]", [f"{wheel}[all]"], [], place, constraints)


def row(name: str, first: list[str], then: list[str], place: Path, constraints: Path) -> None:
    """Install into a new environment and print what it takes."""
    environment = place / "environment"
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment))
    for words in filter(None, (first, then)):
        python = f"--python={environment / 'bin' / 'python'}"
        run(sys.executable, *_PIP, python, "install", "--only-binary=:all:", f"--constraint={constraints}", *words)
    (site,) = environment.glob("lib/python*/site-packages")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file() and not path.is_symlink())
    packages = sum(1 for _ in site.glob("*.dist-info"))
    print(f"{name:<42} {size / MB:>6.0f} {packages:>9}", flush=True)


def pins(lock: str) -> str:
    """The versions of a lock, without its hashes, as constraints."""
    return "\n".join(re.findall(r"^[a-z0-9-]+==\S+(?: ; [^\\\n]+)?", lock, re.MULTILINE)) + "\n"


def run(*words: str) -> None:
    """Run a command; what is importable here by PYTHONPATH is not there.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    if ran.returncode:
        raise SystemExit(f"{' '.join(words)}\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
