"""``python -m tools.provision [--bench] [--test]``: the steps of set-up in order, and what they report."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Final

from brokerproof.lab.daemons import crypto, jvm, kafka_dist, maven
from brokerproof.lab.life import preflight
from tools.provision import environment, packages
from tools.provision.step import POLL_S, Runner, SetupError, Stop, StoppedError, say

ROOT: Final = Path(__file__).resolve().parents[2]
INTERRUPTED: Final = 130


def main() -> int:
    """Set up; the exit code is 0 only when everything is there."""
    parser = argparse.ArgumentParser(prog="setup.sh", description="Set up this checkout.")
    parser.add_argument("--bench", action="store_true", help="also what the benchmarks compare with")
    parser.add_argument("--test", action="store_true", help="also what only the tests use: a browser")
    chosen = parser.parse_args()
    stop = Stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.wanted = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)
    started = time.monotonic()
    try:
        with _alone(ROOT / "build", stop):
            worked = set_up(ROOT, os.environ, bench=chosen.bench, test=chosen.test, stop=stop)
    except (StoppedError, SetupError, kafka_dist.KafkaMissingError, OSError) as error:
        if stop.wanted:
            say("interrupted; run it again to finish")
            return INTERRUPTED
        say(str(error))
        return 1
    say(f"{'ready' if worked else 'nothing is missing'} ({time.monotonic() - started:.1f} s)")
    return 0


def set_up(root: Path, environ: Mapping[str, str], *, bench: bool, stop: Stop, test: bool = False) -> bool:
    """Install what is missing, in order; whether there was anything to do.

    Raises:
        StoppedError: ``stop`` was set.
        SetupError: something cannot be installed here, or failed; the message says what to do.
        KafkaMissingError: likewise, for Kafka.
    """
    runner = Runner(directory=root, log=root / "build" / "setup.log", environ=environ, stop=stop)
    kafka = _kafka_is_here(environ)
    made = environment.state(root) is environment.State.COMPLETE

    def missing_packages() -> tuple[packages.Missing, ...]:
        return packages.missing(environ, maven=not kafka, venv=not made, bench=bench, test=test)

    lacking = missing_packages()
    if lacking or not made or not kafka:
        runner.log.unlink(missing_ok=True)
    if lacking:
        packages.install(lacking, runner)
        still = missing_packages()
        if still:
            names = ", ".join(f"{thing.what} (package {thing.package})" for thing in still)
            raise SetupError(f"the packages were installed, and yet there is no {names}.")
    with _fetching(environ, stop) if not kafka else nullcontext():
        environment.make(root, runner)
    if test and packages.browser(environ) is None:
        say(f"no Chromium: tests that open reports are left out ({packages.BROWSER_VARIABLE} names one)")
    problems = preflight.check(environ)
    for problem in problems:
        say(f"the lab will not run here: {problem}")
    if not problems:
        _fetch_crypto(environ, stop)
        _archive_classes(root, environ, stop)
    return bool(lacking) or not made or not kafka


def _kafka_is_here(environ: Mapping[str, str]) -> bool:
    try:
        kafka_dist.locate(kafka_dist.wanted_version(environ), environ=environ)
    except kafka_dist.KafkaMissingError:
        if environ.get(kafka_dist.HOME_VARIABLE):
            raise  # somebody's own Kafka: not for set-up to mend
        return False
    return True


@contextmanager
def _fetching(environ: Mapping[str, str], stop: Stop) -> Iterator[None]:
    """Fetch Kafka beside the block, both being slow; leave when both are done, or the block fails."""
    failed = Event()
    with ThreadPoolExecutor(1) as beside:
        fetch = beside.submit(
            kafka_dist.fetch,
            kafka_dist.wanted_version(environ),
            say,
            environ=environ,
            stopped=lambda: stop.wanted or failed.is_set(),
        )
        try:
            yield
        except BaseException:
            failed.set()
            raise
        fetch.result()


def _fetch_crypto(environ: Mapping[str, str], stop: Stop) -> None:
    """Once, where Maven is here. The lab runs without, only handshakes with its brokers take longer."""
    if crypto.fetched(environ) or shutil.which("mvn", path=environ.get("PATH")) is None:
        return
    try:
        crypto.fetch(environ)
    except (maven.MavenError, OSError) as error:
        if stop.wanted:
            raise StoppedError from None
        say(f"{error}. {crypto.WITHOUT}")


def _archive_classes(root: Path, environ: Mapping[str, str], stop: Stop) -> None:
    """Once for this Kafka and this Java. The lab runs without, only its brokers start slower."""
    java = preflight.find_java(environ)
    distribution = kafka_dist.locate(kafka_dist.wanted_version(environ), environ=environ)
    if java is None or jvm.path_of(distribution, java, environ).exists():
        return
    say("archiving Kafka's classes, so that brokers start with less work")
    try:
        python = root / environment.DIRECTORY / "bin" / "python"
        jvm.make(distribution, java, environ=environ, python=python, stopped=lambda: stop.wanted)
    except jvm.ArchiveError as error:
        if stop.wanted:
            raise StoppedError from None
        say(f"{error}. The lab's brokers start slower without.")


@contextmanager
def _alone(directory: Path, stop: Stop) -> Iterator[None]:
    """One set-up of a checkout at a time; the kernel gives the lock back however this one ends."""
    directory.mkdir(exist_ok=True)
    with (directory / "setup.lock").open("w") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say("waiting for another set-up of this checkout")
                    told = True
                if stop.wanted:
                    raise StoppedError from None
                time.sleep(POLL_S)
        yield


if __name__ == "__main__":
    sys.exit(main())
