"""Kafka's classes, archived by a broker that runs by itself: used where they are, and never in the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brokerproof.lab.daemons import crypto, jvm, kafka_dist
from brokerproof.lab.daemons.kafka_dist import KafkaDistribution
from brokerproof.lab.life import preflight
from brokerproof.lab.life.preflight import Java
from tests.lab.traces import MARK, traces

PYTHON = Path(sys.executable)
MAKER = """
import os, sys
from pathlib import Path
from brokerproof.lab.daemons import jvm, kafka_dist
from brokerproof.lab.life import preflight

kafka = {**os.environ, "XDG_CACHE_HOME": os.environ["CACHE_OF_KAFKA"]}
distribution = kafka_dist.locate(kafka_dist.wanted_version(os.environ), environ=kafka)
jvm.make(distribution, preflight.find_java(os.environ), environ=os.environ, python=Path(sys.executable))
"""


@pytest.fixture
def java() -> Java:
    found = preflight.find_java(os.environ)
    assert found is not None
    return found


@pytest.fixture
def distribution() -> KafkaDistribution:
    return kafka_dist.locate(kafka_dist.wanted_version(os.environ), environ=os.environ)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A cache of its own, for the archive alone."""
    kept = os.environ.get("XDG_CACHE_HOME", "")
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CACHE_OF_KAFKA": kept, "BROKERPROOF_MARK": MARK}


def shared_classes(options: tuple[str, ...], java: Java) -> str:
    """Whose archive a JVM with these options maps."""
    ran = subprocess.run(
        [str(java.path), *options, "-Xlog:class+path=info", "-Xlog:cds=info", "-version"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.lab
def test_an_archive_is_made_once_and_brokers_are_started_from_it(
    java: Java, distribution: KafkaDistribution, environ: dict[str, str]
) -> None:
    before = traces()
    _with_the_provider(environ)
    assert "-cp" in jvm.arguments(distribution, java, environ)
    assert not any("SharedArchiveFile" in option for option in jvm.arguments(distribution, java, environ))
    archive = jvm.make(distribution, java, environ=environ, python=PYTHON)
    options = jvm.arguments(distribution, java, environ)
    assert f"-XX:SharedArchiveFile={archive}" in options
    assert str(archive) in shared_classes(options, java)
    # The broker has used the provider, and had a client; their classes are in the archive.
    for used in (
        b"com/amazon/corretto/crypto/provider/AmazonCorrettoCryptoProvider",
        b"org/apache/kafka/common/network/SslTransportLayer",
        b"org/apache/kafka/common/requests/OffsetCommitRequest",
    ):
        assert used in archive.read_bytes(), used
    made = archive.stat().st_mtime_ns
    assert jvm.make(distribution, java, environ=environ, python=PYTHON).stat().st_mtime_ns == made
    assert [each.name for each in archive.parent.iterdir()] == [archive.name]
    assert traces() == before


@pytest.mark.lab
def test_what_does_not_serve_leaves_no_archive(
    java: Java, distribution: KafkaDistribution, environ: dict[str, str]
) -> None:
    hollow = dataclasses.replace(distribution, jars=distribution.jars[:1])
    with pytest.raises(jvm.ArchiveError, match=r"a broker by itself ended with 1; its last words: .*kafka.Kafka"):
        jvm.make(hollow, java, environ=environ, python=PYTHON)
    assert list(jvm.path_of(hollow, java, environ).parent.iterdir()) == []


@pytest.mark.lab
def test_a_python_without_the_labs_packages_leaves_no_archive(
    java: Java, distribution: KafkaDistribution, environ: dict[str, str]
) -> None:
    with pytest.raises(jvm.ArchiveError, match=r"a first use of a broker ended with 1: ModuleNotFoundError: .*"):
        jvm.make(distribution, java, environ=environ, python=Path(sys.base_prefix, "bin", "python3"))
    assert list(jvm.path_of(distribution, java, environ).parent.iterdir()) == []


@pytest.mark.lab
def test_who_is_asked_to_stop_stops(java: Java, distribution: KafkaDistribution, environ: dict[str, str]) -> None:
    with pytest.raises(jvm.ArchiveError, match="stopped"):
        jvm.make(distribution, java, environ=environ, python=PYTHON, stopped=lambda: True)
    assert list(jvm.path_of(distribution, java, environ).parent.iterdir()) == []


@pytest.mark.lab
def test_a_killed_maker_leaves_no_process_and_the_next_one_no_file(
    java: Java, distribution: KafkaDistribution, environ: dict[str, str]
) -> None:
    before = traces()
    maker = subprocess.Popen([sys.executable, "-c", MAKER], env=environ)
    time.sleep(2)
    assert maker.poll() is None
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    _until_equal(before)
    archive = jvm.path_of(distribution, java, environ)
    stale = archive.with_name(f".{archive.name}.1")
    stale.touch()
    jvm.make(distribution, java, environ=environ, python=PYTHON)
    assert [each.name for each in archive.parent.iterdir()] == [archive.name]


def _with_the_provider(environ: dict[str, str]) -> None:
    """Put what set-up fetched into this cache."""
    folder = crypto.directory(environ)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(crypto.directory(os.environ))


def _until_equal(before: set[str]) -> None:
    deadline = time.monotonic() + 5
    while left := traces() - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
