"""Where the programs are that benchmarks compare with, and how those get here that set-up does not install.

prometheus-blackbox-exporter's package starts a service that listens on every address, and sslyze wants an older
cryptography than the project. So each has a directory of its own below ``build/peers``: the package unpacked and not
installed, and a virtual environment. What cannot be had is said and left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parents[1] / "build" / "peers"
BLACKBOX = "prometheus-blackbox-exporter"
SSLYZE = "sslyze==6.3.1"
FETCH_S = 180


def without(peer: str, why: str) -> None:
    """Say that a peer is left out."""
    print(f"without {peer}: {why}", flush=True)


def blackbox_exporter() -> Path | None:
    """The program: on PATH, or out of Debian's package; None, and said, where it cannot be had."""
    if found := shutil.which(BLACKBOX):
        return Path(found)
    unpacked = PLACE / BLACKBOX
    program = unpacked / "usr" / "bin" / BLACKBOX
    if program.exists():
        return program
    scratch = PLACE / "fetching"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _run(["apt-get", "download", "--quiet", BLACKBOX], scratch)
        package = next(scratch.glob("*.deb"))
        shutil.rmtree(unpacked, ignore_errors=True)
        _run(["dpkg-deb", "--extract", str(package), str(scratch / "whole")], scratch)
        (scratch / "whole").rename(unpacked)
    except (_FetchError, StopIteration) as error:
        without(BLACKBOX, f"Debian's package cannot be fetched ({error}); apt-get install it, or apt-get update first")
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return program


def sslyze_python() -> Path | None:
    """A Python that has sslyze; None, and said, where it cannot be had."""
    place = PLACE / SSLYZE
    python = place / "bin" / "python"
    complete = place / "complete"
    if complete.exists():
        return python
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(place)], PLACE)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        _run([*pip, SSLYZE], PLACE)
    except _FetchError as error:
        without("sslyze", f"{SSLYZE} cannot be installed ({error})")
        return None
    complete.touch()
    return python


class _FetchError(Exception):
    """A command of fetching failed; the message is its last line."""


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _FetchError(str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise _FetchError(said[-1] if said else f"{command[0]} ended with {done.returncode}")
