"""Where the Kafka that the lab runs is: an installation (``KAFKA_HOME``) or a cache filled by Maven.

Standard library only: set-up runs this before anything is installed. Nothing here starts a broker.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, Never

from brokerproof.errors import CouldNotError

DEFAULT_VERSION: Final = "4.1.1"
OLDEST_VERSION: Final = (3, 7)
"""The first release that Amazon MSK offers with KRaft."""
VERSION_VARIABLE: Final = "BROKERPROOF_KAFKA_VERSION"
HOME_VARIABLE: Final = "KAFKA_HOME"
FETCH_DEADLINE_S: Final = 900.0

_FILES: Final = Path(__file__).with_name("kafka")
_MANIFEST: Final = "manifest.json"
_BEAT_S: Final = 5.0
_POLL_S: Final = 0.2
_TAIL_LINES: Final = 8
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_JAR: Final = re.compile(r"(?P<artifact>.+?)-(?P<version>\d+(?:\.\d+)+(?:[.-]\w+)*)\.jar")
_OF_KAFKA: Final = (
    "kafka_2.13",
    "kafka-clients",
    "kafka-group-coordinator",
    "kafka-metadata",
    "kafka-raft",
    "kafka-server",
    "kafka-server-common",
    "kafka-storage",
    "kafka-tools",
)
"""What a broker and the perf tools need of Kafka's own, all of one version."""
_OF_OTHERS: Final = ("argparse4j", "jackson-databind", "jopt-simple", "scala-library", "slf4j-api")
_DOWNLOADED: Final = re.compile(r"Downloaded from \S+: \S*/(?P<name>[^/\s]+)")

Progress = Callable[[str], None]


class KafkaMissingError(CouldNotError):
    """There is no complete Kafka to run; the message states what was found and what to do."""


class Source(StrEnum):
    """Whose jars they are."""

    INSTALLATION = "installation"
    """``KAFKA_HOME``: never written to."""
    CACHE = "cache"
    """Fetched by Maven, under the user's cache directory."""


@dataclass(frozen=True)
class KafkaDistribution:
    """The jars of one Kafka. ``version`` is theirs, which for an installation is what it has."""

    version: str
    jars: tuple[Path, ...]
    source: Source

    @property
    def classpath(self) -> str:
        """For ``java -cp``: every jar by name, so that a file added later changes nothing."""
        return os.pathsep.join(map(str, self.jars))

    @property
    def logging_options(self) -> tuple[str, ...]:
        """JVM options: warnings, and the line that says the broker serves, to standard output.

        One option for log4j 2 (Kafka 4, every fetched one), one for reload4j (an installed
        Kafka 3); each ignores the other's.
        """
        return (
            f"-Dlog4j2.configurationFile={_FILES / 'log4j2.properties'}",
            f"-Dlog4j.configuration=file:{_FILES / 'log4j.properties'}",
        )


def wanted_version(environ: Mapping[str, str]) -> str:
    """The Kafka version asked for: ``BROKERPROOF_KAFKA_VERSION``, or the default."""
    return environ.get(VERSION_VARIABLE) or DEFAULT_VERSION


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where fetched Kafkas are kept, a directory a version (XDG base directory specification)."""
    stated = Path(environ.get("XDG_CACHE_HOME", ""))
    # The specification: a relative path is to be ignored.
    base = stated if stated.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "brokerproof" / "kafka"


def locate(version: str, *, environ: Mapping[str, str]) -> KafkaDistribution:
    """The jars to run, without fetching anything.

    ``KAFKA_HOME`` comes first, whatever version it has; then the cache.

    Raises:
        KafkaMissingError: nothing there, or not all of it.
    """
    home = environ.get(HOME_VARIABLE)
    if home:
        return _installed(Path(home))
    return _cached(_checked(version), cache_directory(environ))


def fetch(
    version: str,
    progress: Progress,
    *,
    environ: Mapping[str, str],
    deadline_s: float = FETCH_DEADLINE_S,
    stopped: Callable[[], bool] = lambda: False,
) -> KafkaDistribution:
    """What :func:`locate` finds, after fetching it with Maven where it is not complete.

    Safe to run twice at once: the second waits for the first. A fetch that is interrupted leaves
    nothing that :func:`locate` takes for complete. With ``KAFKA_HOME`` set nothing is fetched.

    Args:
        version: three numbers, e.g. ``4.1.1``.
        progress: called with a line for people, every few seconds.
        environ: for ``KAFKA_HOME``, the cache directory, ``PATH`` and Maven.
        deadline_s: for waiting and fetching together.
        stopped: asked several times a second; true ends the fetch. For a caller in another thread,
            whom no signal reaches.

    Raises:
        KafkaMissingError: Maven is missing, failed, did not finish in time, or was stopped.
    """
    try:
        return locate(version, environ=environ)
    except KafkaMissingError:
        if environ.get(HOME_VARIABLE):
            raise
    _checked(version)
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise KafkaMissingError(
            f"Kafka {version} is not in {cache_directory(environ)} and mvn, which fetches it, is not on PATH. "
            f"Install the Debian package maven, or set {HOME_VARIABLE} to an installed Kafka."
        )
    ends_at = time.monotonic() + deadline_s

    def ended() -> bool:
        return stopped() or time.monotonic() > ends_at

    cache = cache_directory(environ)
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / f".{version}.lock", version, progress, ended):
        try:
            return _cached(version, cache)  # the one we waited for has done it
        except KafkaMissingError:
            _fetch_into(cache, version, maven=maven, progress=progress, environ=environ, ended=ended)
    return _cached(version, cache)


def _checked(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise KafkaMissingError(f"Kafka version {version!r} is not three numbers such as {DEFAULT_VERSION}.")
    if _numbers(version) < OLDEST_VERSION:
        _too_old(version, "The lab runs KRaft as Amazon MSK does")
    return version


def _too_old(version: str, lead: str) -> Never:
    oldest = ".".join(map(str, OLDEST_VERSION))
    raise KafkaMissingError(f"{lead}, which needs Kafka {oldest} or newer, not {version}.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _installed(home: Path) -> KafkaDistribution:
    """Judge ``KAFKA_HOME`` by the jars a broker needs, their versions, and whether each is whole."""
    jars = tuple(sorted((home / "libs").glob("*.jar")))
    lead = f"{HOME_VARIABLE}={home}"
    remedy = f"Point {HOME_VARIABLE} at an unpacked Kafka (the directory that has libs/), or unset it."
    if not jars:
        raise KafkaMissingError(f"{lead} has no libs/*.jar. {remedy}")
    wrong = _wrong_with(jars)
    if wrong:
        raise KafkaMissingError(f"{lead} is not a complete Kafka: {wrong}. {remedy}")
    version = _versions(jars)["kafka_2.13"].pop()
    if _numbers(version) < OLDEST_VERSION:
        _too_old(version, f"{lead} cannot run as Amazon MSK does with KRaft")
    return KafkaDistribution(version=version, jars=jars, source=Source.INSTALLATION)


def _versions(jars: tuple[Path, ...]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for jar in jars:
        match = _JAR.fullmatch(jar.name)
        if match:
            found.setdefault(match["artifact"], set()).add(match["version"])
    return found


def _wrong_with(jars: tuple[Path, ...]) -> str:
    """What keeps these jars from running a broker, in words; empty when nothing does."""
    versions = _versions(jars)
    missing = [artifact for artifact in (*_OF_KAFKA, *_OF_OTHERS) if artifact not in versions]
    if missing:
        return f"no jar of {', '.join(missing)}"
    of_kafka = sorted(set[str]().union(*(versions[artifact] for artifact in _OF_KAFKA)), key=_numbers)
    if len(of_kafka) > 1:
        return f"its jars are of several versions, {' and '.join(of_kafka)}"
    truncated = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
    if truncated:
        return f"truncated: {', '.join(truncated)}"
    return ""


def _cached(version: str, cache: Path) -> KafkaDistribution:
    """Judge a fetched Kafka by the manifest that is written last, after a complete Maven run."""
    directory = cache / version
    remedy = "Run `brokerproof lab fetch` (or `make setup`)."
    if not directory.exists():
        raise KafkaMissingError(f"Kafka {version} is not in {cache}. {remedy}")
    try:
        sizes = json.loads((directory / _MANIFEST).read_text("utf-8"))["jars"]
        jars = tuple(directory / name for name in sizes)
        short = [jar.name for jar in jars if _size(jar) != sizes[jar.name]] if jars else ["every jar"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KafkaMissingError(
            f"Kafka {version} in {directory} is half-installed: its {_MANIFEST} cannot be read ({error}). {remedy}"
        ) from error
    if short:
        raise KafkaMissingError(
            f"Kafka {version} in {directory} is half-installed; missing or truncated: {', '.join(short)}. {remedy}"
        )
    return KafkaDistribution(version=version, jars=jars, source=Source.CACHE)


def _size(jar: Path) -> int:
    try:
        return jar.stat().st_size
    except FileNotFoundError:
        return -1


@contextmanager
def _alone(lock: Path, version: str, progress: Progress, ended: Callable[[], bool]) -> Iterator[None]:
    """Hold the file lock; the kernel gives it back however this process ends."""
    with lock.open("w") as held:
        told = False
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if ended():
                    raise KafkaMissingError(
                        f"Another fetch of Kafka {version} has not finished (it holds {lock})."
                    ) from None
                if not told:
                    progress(f"Kafka {version}: waiting for another fetch of it")
                    told = True
                time.sleep(_POLL_S)
        yield


def _fetch_into(
    cache: Path,
    version: str,
    *,
    maven: str,
    progress: Progress,
    environ: Mapping[str, str],
    ended: Callable[[], bool],
) -> None:
    """Fill a directory beside the final one and rename it. The caller holds the lock."""
    for stale in cache.glob(f".{version}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    partial = cache / f".{version}.partial-{os.getpid()}"
    log = cache / f"{version}.log"
    command = [
        maven,
        "--batch-mode",
        "--strict-checksums",
        f"--file={_FILES / 'pom.xml'}",
        f"-Dkafka.version={version}",
        f"-DoutputDirectory={partial}",
        "dependency:copy-dependencies",
    ]
    progress(f"Kafka {version}: fetching it with Maven into {cache}")
    try:
        with log.open("w", encoding="utf-8") as output:
            code = _run(command, output, environ, ended, lambda: progress(_so_far(version, log)))
        if code is None:
            raise KafkaMissingError(
                f"Maven did not fetch Kafka {version} in the time it was given; its output is in {log}."
            )
        if code != 0:
            raise KafkaMissingError(
                f"Maven could not fetch Kafka {version} (exit {code}; all of its output is in {log}):\n{_tail(log)}"
            )
        jars = tuple(sorted(partial.glob("*.jar")))
        wrong = _wrong_with(jars)
        if wrong:
            raise KafkaMissingError(
                f"Maven ended well but what it fetched is not a complete Kafka {version}: {wrong}; see {log}."
            )
        manifest = {"version": version, "jars": {jar.name: jar.stat().st_size for jar in jars}}
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
        shutil.rmtree(cache / version, ignore_errors=True)  # half-installed, or we would not be here
        partial.rename(cache / version)
        log.unlink()
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run(
    command: list[str],
    output: IO[str],
    environ: Mapping[str, str],
    ended: Callable[[], bool],
    beat: Callable[[], None],
) -> int | None:
    """Exit code, or None when it was ended first; the child never outlives this call."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(environ)
    ) as child:
        last_beat = time.monotonic()
        try:
            while not ended():
                try:
                    return child.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    if time.monotonic() - last_beat >= _BEAT_S:
                        last_beat = time.monotonic()
                        beat()
        finally:
            if child.poll() is None:
                child.kill()
    return None


def _so_far(version: str, log: Path) -> str:
    names = _DOWNLOADED.findall(log.read_text("utf-8", errors="replace"))
    last = f", last {names[-1]}" if names else ""
    return f"Kafka {version}: still fetching, {len(names)} files so far{last}"


def _tail(log: Path) -> str:
    """The lines that matter: Maven's first errors, or else its last lines."""
    lines = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("[ERROR] ")]
    return "\n".join(errors[:2] if errors else lines[-_TAIL_LINES:])
