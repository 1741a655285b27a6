"""The JVM of a lab's broker: its options, and Kafka's classes archived once, so that it starts with less work.

Standard library only, so that set-up can run it by any Python: what needs packages is
:mod:`brokerproof.lab.daemons.first_use`, run by an interpreter that has them. A lab without an archive is only
slower. A JVM ignores an archive that was made of other jars (JEP 350).
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from brokerproof.lab.daemons import crypto, kafka_dist
from brokerproof.lab.life import preflight

STATE_DIR: Final = "/run/brokerproof"
"""The lab's own tmpfs, visible only inside its mount namespace; it is gone with the lab."""
START_S: Final = 60.0
"""For a broker to serve, and again for its classes to be written."""

_FIRST_USE: Final = "brokerproof.lab.daemons.first_use"
_ROOT: Final = Path(__file__).resolve().parents[3]
_SERVES: Final = "Kafka Server started"
_POLL_S: Final = 0.1
_QUIET: Final = ("-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")
_CLIENTS: Final = "127.0.0.1:9094"
_ALONE: Final = f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9097
listeners=REPLICATION://127.0.0.1:9093,CLIENT_SECURE://{_CLIENTS},CONTROLLER://127.0.0.1:9097
listener.security.protocol.map=REPLICATION:PLAINTEXT,CLIENT_SECURE:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=REPLICATION
controller.listener.names=CONTROLLER
listener.name.client_secure.ssl.keystore.type=PEM
log.dirs=/run/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
log.cleaner.dedupe.buffer.size=4194304
"""
_META: Final = "version=1\ncluster.id=abcdefghijklmnopqrstuA\nnode.id=1\ndirectory.id=BBcdefghijklmnopqrstuA\n"
_SCRIPT: Final = """\
mount -t tmpfs tmpfs /run && mkdir -p /run/data "$TEMPORARY" &&
printf %s "$META" > /run/data/meta.properties && printf %s "$PROPERTIES" > /run/server.properties &&
ip link set lo up && exec setpriv --pdeathsig KILL "$@"
"""
_MOST_BYTES: Final = 1 << 20
_MADE_SO: Final = "by a broker with TLS and its first client"
"""Part of an archive's name; another text where archives are made in another way, so that the older ones go unused."""


class ArchiveError(Exception):
    """No archive could be made; one sentence. The lab runs without."""


def path_of(distribution: kafka_dist.KafkaDistribution, java: preflight.Java, environ: Mapping[str, str]) -> Path:
    """Where the archive of this Kafka and this Java is, or would be."""
    jars = (f"{jar}:{jar.stat().st_size}" for jar in _jars(distribution, environ))
    known = hashlib.sha256("\n".join([_MADE_SO, str(java.path.resolve()), str(java.major), *jars]).encode()).hexdigest()
    return kafka_dist.cache_directory(environ) / "classes" / f"{distribution.version}-{known[:16]}.jsa"


def arguments(
    distribution: kafka_dist.KafkaDistribution,
    java: preflight.Java,
    environ: Mapping[str, str],
    more_classes: Path | None = None,
) -> tuple[str, ...]:
    """Options for a small broker that starts quickly and writes nothing outside the lab's own tmpfs.

    ``more_classes`` is a directory of classes beside Kafka's own; behind them, so that the archive still fits.
    """
    archive = path_of(distribution, java, environ)
    own = _own(distribution, environ)
    if more_classes is not None:
        own = (*own[:-1], os.pathsep.join([own[-1], str(more_classes)]))
    return (f"-XX:SharedArchiveFile={archive}", *_QUIET, *own) if archive.exists() else own


def _jars(distribution: kafka_dist.KafkaDistribution, environ: Mapping[str, str]) -> list[Path]:
    return [*distribution.jars, *([crypto.jar(environ)] if crypto.fetched(environ) else [])]


def _own(distribution: kafka_dist.KafkaDistribution, environ: Mapping[str, str]) -> tuple[str, ...]:
    return (
        *("-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
        f"-Djava.io.tmpdir={STATE_DIR}/tmp",  # noqa: S108  the lab's own tmpfs
        *distribution.logging_options,
        *(crypto.options(environ) if crypto.fetched(environ) else ()),
        *("-cp", os.pathsep.join(map(str, _jars(distribution, environ)))),
    )


def make(
    distribution: kafka_dist.KafkaDistribution,
    java: preflight.Java,
    *,
    environ: Mapping[str, str],
    python: Path,
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Run one broker by itself, in namespaces of its own, and have the JVM write down the classes it used.

    Args:
        distribution: The Kafka.
        java: The Java.
        environ: For the cache directory.
        python: An interpreter with the packages of the lab.
        stopped: asked several times a second; true ends it.

    Raises:
        ArchiveError: the broker does not serve, serves no client, or writes nothing; nothing is left behind.
    """
    archive = path_of(distribution, java, environ)
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    for stale in archive.parent.glob(f".{archive.name}.*"):
        stale.unlink(missing_ok=True)  # of one that was killed
    written = archive.with_name(f".{archive.name}.{os.getpid()}")
    command = [str(java.path), f"-XX:ArchiveClassesAtExit={written}", *_own(distribution, environ)]
    try:
        _run(command, environ, python, stopped)
        written.replace(archive)
    except OSError as error:
        raise ArchiveError(f"Kafka's classes were not archived: {error.strerror or error}") from None
    finally:
        written.unlink(missing_ok=True)
    return archive


def _run(java: list[str], environ: Mapping[str, str], python: Path, stopped: Callable[[], bool]) -> None:
    """Start the broker, wait until it serves, have a client use it, and have it end properly."""
    command = [*_unshare(environ), "sh", "-c", _SCRIPT, "sh", *java, "kafka.Kafka", "/run/server.properties"]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        keystore = Path(folder, "server.pem")
        _first_use((), environ, python, ("keystore", str(keystore)), stopped)
        settings = {
            **environ,
            "PATH": preflight.search_path(environ),
            "META": _META,
            "PROPERTIES": f"{_ALONE}listener.name.client_secure.ssl.keystore.location={keystore}\n",
            "TEMPORARY": f"{STATE_DIR}/tmp",  # noqa: S108  likewise
        }

        def said() -> str:
            return os.pread(log.fileno(), _MOST_BYTES, 0).decode(errors="replace")

        broker = subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            _until(lambda: _SERVES in said(), broker, stopped)
            _first_use(_enter(broker.pid, environ), environ, python, ("client", _CLIENTS), stopped)
            broker.send_signal(signal.SIGTERM)
            _until(lambda: broker.poll() is not None, broker, stopped)
        except ArchiveError as error:
            raise ArchiveError(f"{error}; its last words: {' '.join(said().split()[-30:])}") from None
        finally:
            with suppress(ProcessLookupError):
                broker.kill()
            broker.wait()


def _first_use(
    inside: Sequence[str], environ: Mapping[str, str], python: Path, words: Sequence[str], stopped: Callable[[], bool]
) -> None:
    """Carry out a step of the first use; it ends with this process, however this one ends."""
    command = [*inside, "setpriv", "--pdeathsig", "KILL", str(python), "-m", _FIRST_USE, *words]
    settings = {**environ, "PATH": preflight.search_path(environ), "PYTHONPATH": str(_ROOT)}
    with tempfile.TemporaryFile() as log:
        step = subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            _until(lambda: step.poll() is not None, step, stopped)
        finally:
            with suppress(ProcessLookupError):
                step.kill()
            step.wait()
        if step.returncode:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ArchiveError(f"a first use of a broker ended with {step.returncode}: {''.join(last)}")


def _enter(pid: int, environ: Mapping[str, str]) -> list[str]:
    """Into the network of the broker that runs by itself."""
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return [str(preflight.find_tool("nsenter", environ) or "nsenter"), "--target", str(pid), *user, "--net", "--"]


def _unshare(environ: Mapping[str, str]) -> list[str]:
    """A network and mounts of its own: its ports are nobody else's, and its data is gone with it."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [str(preflight.find_tool("unshare", environ) or "unshare"), *user, "--net", "--mount"]


def _until(reached: Callable[[], bool], broker: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + START_S
    while not reached():
        if stopped():
            raise ArchiveError("stopped")
        if broker.poll() is not None and not reached():
            raise ArchiveError(f"a broker by itself ended with {broker.returncode}")
        if time.monotonic() > ends_at:
            raise ArchiveError(f"a broker by itself took longer than {START_S:.0f} s")
        time.sleep(_POLL_S)
