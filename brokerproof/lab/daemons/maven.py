"""Has Maven copy one artifact, by its coordinates. Standard library only: set-up runs this too."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_GOAL: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_LIMIT_S: Final = 300.0


class MavenError(Exception):
    """The artifact cannot be had; one sentence."""


def copy(artifact: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """The file of ``group:artifact:version[:type[:classifier]]`` in ``folder``, fetched where it is not there yet.

    Raises:
        MavenError: Maven is not here, or does not bring it.
    """
    _, name, version, *more = artifact.split(":")
    jar = folder / f"{'-'.join([name, version, *more[1:]])}.jar"
    if jar.exists():
        return jar
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise MavenError(f"mvn, which fetches {name}, is not on PATH; run `make setup`")
    folder.mkdir(parents=True, exist_ok=True)
    command = [maven, "--batch-mode", "--quiet", "--strict-checksums", _GOAL, f"-Dartifact={artifact}"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={folder}"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise MavenError(f"Maven does not bring {name}: {failure}") from None
    if done.returncode or not jar.exists():
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        words = " ".join(said[-3:]) or f"it ended with {done.returncode} and said nothing"
        raise MavenError(f"Maven does not bring {name}: {words}")
    return jar
