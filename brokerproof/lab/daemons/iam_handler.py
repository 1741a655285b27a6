"""The lab's own judge of IAM logins, in Java, compiled once and kept: a JRE will do, by the Eclipse compiler.

Standard library only: set-up runs this before anything is installed. Maven fetches the compiler, as it does Kafka.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from brokerproof.lab.daemons import kafka_dist, maven
from brokerproof.lab.life import preflight

HANDLER: Final = "brokerproof.IamLoginHandler"
AUTHORIZER: Final = "brokerproof.IamAuthorizer"
_FOLDER: Final = Path(__file__).with_name("kafka")
SOURCES: Final = (_FOLDER / "IamLoginHandler.java", _FOLDER / "IamAuthorizer.java")
_COMPILER: Final = "org.eclipse.jdt:ecj:3.38.0"
_RELEASE: Final = "17"
_COMPILE_S: Final = 120.0


class HandlerError(Exception):
    """It cannot be compiled here; one sentence that says what to do."""


def directory(distribution: kafka_dist.KafkaDistribution, environ: Mapping[str, str]) -> Path:
    """Where the classes of this source and this Kafka are, or would be."""
    sources = b"".join(source.read_bytes() for source in SOURCES)
    known = hashlib.sha256(sources + distribution.version.encode()).hexdigest()
    return kafka_dist.cache_directory(environ) / "handlers" / known[:16]


def compiled(distribution: kafka_dist.KafkaDistribution, java: preflight.Java, environ: Mapping[str, str]) -> Path:
    """The directory with the classes, made where they are not there yet.

    Raises:
        HandlerError: the compiler cannot be fetched, or refuses.
    """
    made = directory(distribution, environ)
    if made.exists():
        return made
    compiler = _compiler(environ)
    partial = made.with_name(f".{made.name}.{os.getpid()}")
    made.parent.mkdir(parents=True, exist_ok=True)
    command = [str(java.path), "-jar", str(compiler), f"-{_RELEASE}", "-nowarn", "-cp", distribution.classpath]
    try:
        _run([*command, "-d", str(partial), *map(str, SOURCES)], environ)
        if not made.exists():
            partial.rename(made)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _compiler(environ: Mapping[str, str]) -> Path:
    try:
        return maven.copy(_COMPILER, kafka_dist.cache_directory(environ) / "handlers", environ)
    except maven.MavenError as failure:
        raise HandlerError(f"a lab of IAM needs the Eclipse compiler once: {failure}") from None


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    lead = "the Eclipse compiler could not make the lab's IAM listener:"
    try:
        done = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMPILE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise HandlerError(f"{lead} {failure}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise HandlerError(f"{lead} {' '.join(said[-3:])}")
