"""The search for Kafka's jars, with a stand-in for Maven; nothing is downloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from brokerproof.lab.daemons.kafka_dist import (
    DEFAULT_VERSION,
    KafkaMissingError,
    Source,
    cache_directory,
    fetch,
    locate,
    wanted_version,
)

KAFKA = (
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
OTHERS = (
    "argparse4j-0.7.0",
    "jackson-databind-2.19.0",
    "jopt-simple-5.0.4",
    "scala-library-2.13.16",
    "slf4j-api-1.7.36",
)

FAKE_MAVEN = """#!{python}
import os, pathlib, sys, time, zipfile
options = dict(word.split("=", 1) for word in sys.argv if "=" in word)
runs = pathlib.Path(os.environ["RUNS"])
with runs.open("a") as lines:
    lines.write("run\\n")
print("[INFO] Downloaded from central: //repository/org/apache/kafka/kafka-clients.jar (9 MB)", flush=True)
out = pathlib.Path(options["-DoutputDirectory"])
out.mkdir(parents=True)
names = [name + "-" + options["-Dkafka.version"] for name in {kafka!r}] + list({others!r})
for number, name in enumerate(names):
    if number == 3 and os.environ.get("MAVEN_DOES") == "hang":
        time.sleep(60)
    if number == 3 and os.environ.get("MAVEN_DOES") == "fail":
        print("[INFO] BUILD FAILURE")
        print("[ERROR] Could not find artifact org.apache.kafka:kafka-raft:jar")
        print("[ERROR] To see the full stack trace")
        print("[ERROR] Re-run Maven using the -X switch")
        sys.exit(1)
    if number == 3 and os.environ.get("MAVEN_DOES") == "stop_early":
        break
    with zipfile.ZipFile(out / (name + ".jar"), "w") as jar:
        jar.writestr("a", "b")
time.sleep(float(os.environ.get("MAVEN_TAKES_S", "0")))
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    maven = bin_directory / "mvn"
    maven.write_text(FAKE_MAVEN.format(python=sys.executable, kafka=KAFKA, others=OTHERS))
    maven.chmod(0o755)
    return {
        "PATH": str(bin_directory),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "RUNS": str(tmp_path / "runs"),
    }


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


def make_jars(libs: Path, names: Iterable[str]) -> None:
    libs.mkdir(parents=True)
    for name in names:
        with zipfile.ZipFile(libs / f"{name}.jar", "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "x" * 300)


def whole(version: str) -> list[str]:
    return [f"{name}-{version}" for name in KAFKA] + list(OTHERS)


def test_a_fetched_kafka_is_located_with_every_jar_on_the_classpath(environ: dict[str, str]) -> None:
    fetched = fetch(DEFAULT_VERSION, quiet, environ=environ)
    located = locate(DEFAULT_VERSION, environ=environ)
    assert located == fetched
    assert located.source is Source.CACHE
    assert located.version == DEFAULT_VERSION
    names = {Path(part).name for part in located.classpath.split(":")}
    assert names == {f"{name}.jar" for name in whole(DEFAULT_VERSION)}


def test_the_second_fetch_runs_no_maven(environ: dict[str, str]) -> None:
    fetch("3.9.1", quiet, environ=environ)
    fetch("3.9.1", quiet, environ=environ | {"PATH": ""})
    assert Path(environ["RUNS"]).read_text() == "run\n"


def test_versions_live_side_by_side(environ: dict[str, str]) -> None:
    fetch("3.9.1", quiet, environ=environ)
    fetch("4.1.1", quiet, environ=environ)
    assert locate("3.9.1", environ=environ).version == "3.9.1"
    assert locate("4.1.1", environ=environ).version == "4.1.1"


def test_logging_options_name_files_that_are_there(environ: dict[str, str]) -> None:
    options = fetch("4.1.1", quiet, environ=environ).logging_options
    files = [Path(option.split("=", 1)[1].removeprefix("file:")) for option in options]
    assert [path.name for path in files] == ["log4j2.properties", "log4j.properties"]
    assert all(path.is_file() for path in files)


def truncate_a_jar(directory: Path) -> None:
    jar = directory / "kafka-raft-4.1.1.jar"
    jar.write_bytes(jar.read_bytes()[:-1])


def remove_a_jar(directory: Path) -> None:
    (directory / "kafka-raft-4.1.1.jar").unlink()


def remove_the_manifest(directory: Path) -> None:
    (directory / "manifest.json").unlink()


def cut_the_manifest(directory: Path) -> None:
    manifest = directory / "manifest.json"
    manifest.write_text(manifest.read_text()[:20])


def empty_the_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_text(json.dumps({"version": "4.1.1", "jars": {}}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (truncate_a_jar, "half-installed; missing or truncated: kafka-raft-4.1.1.jar."),
        (remove_a_jar, "half-installed; missing or truncated: kafka-raft-4.1.1.jar."),
        (remove_the_manifest, "half-installed: its manifest.json cannot be read"),
        (cut_the_manifest, "half-installed: its manifest.json cannot be read"),
        (empty_the_manifest, "half-installed; missing or truncated: every jar."),
    ],
)
def test_half_a_kafka_is_named_and_fetched_anew(
    environ: dict[str, str], damage: Callable[[Path], None], says: str
) -> None:
    fetch("4.1.1", quiet, environ=environ)
    damage(cache_directory(environ) / "4.1.1")
    with pytest.raises(KafkaMissingError) as caught:
        locate("4.1.1", environ=environ)
    assert says in str(caught.value)
    assert "Run `brokerproof lab fetch`" in str(caught.value)
    assert fetch("4.1.1", quiet, environ=environ) == locate("4.1.1", environ=environ)


def test_nothing_fetched_says_what_to_run(environ: dict[str, str]) -> None:
    with pytest.raises(KafkaMissingError, match=r"Kafka 4\.1\.1 is not in .* Run `brokerproof lab fetch`"):
        locate("4.1.1", environ=environ)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("4.1", "'4.1' is not three numbers such as 4.1.1"),
        ("../../etc", "is not three numbers"),
        ("latest", "'latest' is not three numbers"),
        ("3.6.2", "needs Kafka 3.7 or newer, not 3.6.2"),
    ],
)
def test_a_version_that_cannot_be_is_refused(environ: dict[str, str], version: str, says: str) -> None:
    with pytest.raises(KafkaMissingError) as located:
        locate(version, environ=environ)
    with pytest.raises(KafkaMissingError) as fetched:
        fetch(version, quiet, environ=environ)
    assert says in str(located.value)
    assert str(fetched.value) == str(located.value)
    assert not Path(environ["RUNS"]).exists()


def test_without_maven_the_package_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(KafkaMissingError, match=r"mvn.*is not on PATH.*Debian package maven.*KAFKA_HOME"):
        fetch("4.1.1", quiet, environ=environ | {"PATH": ""})


def test_a_failing_maven_is_quoted_and_leaves_nothing(environ: dict[str, str]) -> None:
    with pytest.raises(KafkaMissingError) as caught:
        fetch("4.1.1", quiet, environ=environ | {"MAVEN_DOES": "fail"})
    said = str(caught.value)
    assert "exit 1" in said
    assert "Could not find artifact org.apache.kafka:kafka-raft:jar" in said
    assert "Re-run Maven" not in said
    assert left_in(cache_directory(environ)) == {".4.1.1.lock", "4.1.1.log"}


def test_a_maven_that_ends_well_with_too_little_is_not_believed(environ: dict[str, str]) -> None:
    with pytest.raises(KafkaMissingError, match=r"not a complete Kafka 4\.1\.1: no jar of kafka-metadata"):
        fetch("4.1.1", quiet, environ=environ | {"MAVEN_DOES": "stop_early"})
    with pytest.raises(KafkaMissingError):
        locate("4.1.1", environ=environ)


def test_a_maven_that_hangs_is_ended_at_the_deadline(environ: dict[str, str]) -> None:
    before = time.monotonic()
    with pytest.raises(KafkaMissingError, match=r"did not fetch Kafka 4\.1\.1 in the time"):
        fetch("4.1.1", quiet, environ=environ | {"MAVEN_DOES": "hang"}, deadline_s=0.5)
    assert time.monotonic() - before < 10
    assert left_in(cache_directory(environ)) == {".4.1.1.lock", "4.1.1.log"}


def test_a_fetch_can_be_stopped_from_another_thread(environ: dict[str, str]) -> None:
    with pytest.raises(KafkaMissingError, match=r"did not fetch Kafka 4\.1\.1"):
        fetch(
            "4.1.1",
            quiet,
            environ=environ | {"MAVEN_DOES": "hang"},
            stopped=lambda: Path(environ["RUNS"]).exists(),
        )
    assert left_in(cache_directory(environ)) == {".4.1.1.lock", "4.1.1.log"}


def test_a_fetch_that_was_killed_is_not_taken_for_complete(environ: dict[str, str]) -> None:
    cache = cache_directory(environ)
    fetching = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import os; from brokerproof.lab.daemons.kafka_dist import fetch; "
                "fetch('4.1.1', print, environ=os.environ)"
            ),
        ],
        env=os.environ | environ | {"MAVEN_DOES": "hang", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: any(cache.glob(".4.1.1.partial-*/kafka-group-coordinator-*.jar")))
    finally:
        os.killpg(fetching.pid, 9)
        fetching.wait()
    assert any(cache.glob(".4.1.1.partial-*"))
    with pytest.raises(KafkaMissingError):
        locate("4.1.1", environ=environ)
    fetch("4.1.1", quiet, environ=environ)
    assert left_in(cache) == {".4.1.1.lock", "4.1.1"}


def test_two_fetches_at_once_run_maven_once(environ: dict[str, str]) -> None:
    slow = environ | {"MAVEN_TAKES_S": "0.6"}
    lines: list[str] = []
    first = threading.Thread(target=fetch, args=("4.1.1", quiet), kwargs={"environ": slow})
    first.start()
    wait_until(Path(environ["RUNS"]).exists)
    second = fetch("4.1.1", lines.append, environ=slow)
    first.join()
    assert lines == ["Kafka 4.1.1: waiting for another fetch of it"]
    assert second == locate("4.1.1", environ=environ)
    assert Path(environ["RUNS"]).read_text() == "run\n"


def test_waiting_for_another_fetch_has_an_end(environ: dict[str, str]) -> None:
    first = threading.Thread(
        target=fetch, args=("4.1.1", quiet), kwargs={"environ": environ | {"MAVEN_TAKES_S": "1.5"}}
    )
    first.start()
    wait_until(Path(environ["RUNS"]).exists)
    with pytest.raises(KafkaMissingError, match=r"Another fetch of Kafka 4\.1\.1 has not finished"):
        fetch("4.1.1", quiet, environ=environ, deadline_s=0.3)
    first.join()


def test_a_slow_fetch_says_how_far_it_is(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerproof.lab.daemons.kafka_dist._BEAT_S", 0.2)
    lines: list[str] = []
    fetch("4.1.1", lines.append, environ=environ | {"MAVEN_TAKES_S": "0.7"})
    assert lines[0] == f"Kafka 4.1.1: fetching it with Maven into {cache_directory(environ)}"
    assert "Kafka 4.1.1: still fetching, 1 files so far, last kafka-clients.jar" in lines


def test_an_installed_kafka_comes_before_the_cache(environ: dict[str, str], tmp_path: Path) -> None:
    fetch("4.1.1", quiet, environ=environ)
    home = tmp_path / "kafka"
    make_jars(home / "libs", [*whole("3.9.1"), "log4j-slf4j-impl-2.24.3", "a-jar-without-version"])
    with_home = environ | {"KAFKA_HOME": str(home)}
    found = locate("4.1.1", environ=with_home)
    assert (found.version, found.source) == ("3.9.1", Source.INSTALLATION)
    assert len(found.jars) == len(KAFKA) + len(OTHERS) + 2
    assert fetch("4.1.1", quiet, environ=with_home) == found


def test_a_kafka_home_that_is_no_kafka_is_not_replaced_by_the_cache(environ: dict[str, str], tmp_path: Path) -> None:
    fetch("4.1.1", quiet, environ=environ)
    with_home = environ | {"KAFKA_HOME": str(tmp_path / "nowhere")}
    with pytest.raises(KafkaMissingError, match=r"KAFKA_HOME=.* has no libs/\*\.jar"):
        locate("4.1.1", environ=with_home)
    with pytest.raises(KafkaMissingError, match=r"KAFKA_HOME=.* has no libs/\*\.jar"):
        fetch("4.1.1", quiet, environ=with_home)


@pytest.mark.parametrize(
    ("jars", "says"),
    [
        (whole("4.1.1")[1:], "no jar of kafka_2.13"),
        ([jar for jar in whole("4.1.1") if "raft" not in jar and "jopt" not in jar], "kafka-raft, jopt-simple"),
        ([*whole("4.1.1"), "kafka-clients-3.9.1"], "several versions, 3.9.1 and 4.1.1"),
        (whole("3.4.0"), "needs Kafka 3.7 or newer, not 3.4.0"),
    ],
)
def test_an_incomplete_kafka_home_is_described(tmp_path: Path, jars: list[str], says: str) -> None:
    make_jars(tmp_path / "libs", jars)
    with pytest.raises(KafkaMissingError) as caught:
        locate("4.1.1", environ={"KAFKA_HOME": str(tmp_path)})
    assert says in str(caught.value)


def test_a_truncated_jar_in_kafka_home_is_named(tmp_path: Path) -> None:
    make_jars(tmp_path / "libs", whole("4.1.1"))
    jar = tmp_path / "libs" / "kafka-clients-4.1.1.jar"
    jar.write_bytes(jar.read_bytes()[:150])
    with pytest.raises(KafkaMissingError, match=r"truncated: kafka-clients-4\.1\.1\.jar"):
        locate("4.1.1", environ={"KAFKA_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/brokerproof/kafka"),
        ({"HOME": "/h"}, "/h/.cache/brokerproof/kafka"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/brokerproof/kafka"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/brokerproof/kafka"),
    ],
)
def test_the_cache_is_where_the_xdg_specification_says(environ: dict[str, str], expected: str) -> None:
    assert cache_directory(environ) == Path(expected)


def test_the_version_is_a_setting() -> None:
    assert wanted_version({}) == DEFAULT_VERSION
    assert wanted_version({"BROKERPROOF_KAFKA_VERSION": "3.9.1"}) == "3.9.1"


def test_only_the_standard_library_is_needed() -> None:
    """Set-up imports both modules before anything is installed."""
    subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            (
                "import sys; sys.path.insert(0, sys.argv[1]); "
                "import brokerproof.lab.daemons.kafka_dist, brokerproof.lab.life.preflight"
            ),
            str(Path(__file__).parents[2]),
        ],
        check=True,
    )


def left_in(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.02)
