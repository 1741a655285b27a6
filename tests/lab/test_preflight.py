"""What the lab needs of a machine, with machines made of files and small scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from brokerproof.lab.life import preflight
from brokerproof.lab.life.preflight import Need, check, find_java, find_tool

GIB_KB: Final = 1024 * 1024
RELEASE: Final = 'IMPLEMENTOR="Debian"\nJAVA_VERSION="{}"\nJAVA_VERSION_DATE="2025-04-15"\n'


class Machine:
    """A machine in a directory: PATH, system directories, JVMs, /proc and control groups."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"PATH": str(root / "bin")}
        for tool in ("ip", "nft", "unbound", "nsenter", "unshare"):
            self.script(f"bin/{tool}")
        self.java("jvm/java-17", "17.0.15")
        (root / "bin" / "java").symlink_to(root / "jvm/java-17/bin/java")
        self.write("proc/meminfo", f"MemTotal: {8 * GIB_KB} kB\nMemAvailable:    {4 * GIB_KB} kB\n")
        self.write("proc/self/cgroup", "0::/a/b\n")
        self.write("dev/net/tun", "")
        self.write("os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def script(self, path: str, body: str = "exit 0") -> None:
        self.write(path, f"#!/bin/sh\n{body}\n").chmod(0o755)

    def java(self, home: str, version: str) -> None:
        self.script(f"{home}/bin/java", "echo 'the release file should have been enough' >&2; exit 9")
        self.write(f"{home}/release", RELEASE.format(version))

    def remove(self, path: str) -> None:
        (self.root / path).unlink()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(preflight, "_SYSTEM_DIRECTORIES", str(tmp_path / "sbin"))
    monkeypatch.setattr(preflight, "_JVM", tmp_path / "jvm")
    monkeypatch.setattr(preflight, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(preflight, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(preflight, "_OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(preflight, "_TUN", tmp_path / "dev/net/tun")
    return Machine(tmp_path)


def the_problem(machine: Machine, brokers: int = 3) -> preflight.Problem:
    (problem,) = check(machine.environ, brokers=brokers)
    return problem


def test_a_machine_with_everything_has_no_problem(machine: Machine) -> None:
    assert check(machine.environ) == ()


@pytest.mark.parametrize(
    ("tool", "package"),
    [
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("unbound", "unbound"),
        ("nsenter", "util-linux"),
        ("unshare", "util-linux"),
    ],
)
def test_a_missing_tool_is_named_with_its_package(machine: Machine, tool: str, package: str) -> None:
    machine.remove(f"bin/{tool}")
    problem = the_problem(machine)
    assert problem.need == tool
    assert problem.package == package
    assert str(problem).startswith(f"{tool}, which ")
    assert f"Install the Debian package {package} (`make setup` does)." in str(problem)


def test_a_tool_in_a_system_directory_counts(machine: Machine) -> None:
    machine.remove("bin/nft")
    machine.script("sbin/nft")
    assert check(machine.environ) == ()
    assert find_tool("nft", machine.environ) == machine.root / "sbin/nft"


def test_every_problem_is_told_at_once(machine: Machine) -> None:
    for tool in ("ip", "unbound"):
        machine.remove(f"bin/{tool}")
    machine.write("proc/meminfo", "MemAvailable: 1 kB\n")
    assert [problem.need for problem in check(machine.environ)] == [Need.IP, Need.UNBOUND, Need.MEMORY]


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("ID=debian\nVERSION_CODENAME=bookworm\n", "default-jre-headless"),
        ("ID=debian\nVERSION_CODENAME=trixie\n", "default-jre-headless"),
        ("ID=ubuntu\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n", "default-jre-headless"),
        ("ID=ubuntu\nVERSION_CODENAME=jammy\n", "openjdk-17-jre-headless"),
        ('ID=linuxmint\nVERSION_CODENAME=vera\nUBUNTU_CODENAME="jammy"\n', "openjdk-17-jre-headless"),
    ],
)
def test_no_java_names_the_package_of_this_release(machine: Machine, text: str, package: str) -> None:
    machine.write("os-release", text)
    machine.remove("jvm/java-17/bin/java")
    problem = the_problem(machine)
    assert problem.need is Need.JAVA
    assert problem.package == package
    assert f"none in JAVA_HOME, on PATH or in {machine.root / 'jvm'}" in str(problem)
    assert package in str(problem)


@pytest.mark.parametrize(
    ("version", "major"),
    [("1.8.0_392", 8), ("11.0.22", 11), ("16", 16)],
)
def test_an_old_java_is_a_problem_that_names_it(machine: Machine, version: str, major: int) -> None:
    machine.write("jvm/java-17/release", RELEASE.format(version))
    assert f"/bin/java is Java {major}. " in str(the_problem(machine))


@pytest.mark.parametrize(("version", "major"), [("17", 17), ("21.0.4", 21), ("25-ea", 25)])
def test_a_newer_java_will_do(machine: Machine, version: str, major: int) -> None:
    machine.write("jvm/java-17/release", RELEASE.format(version))
    assert check(machine.environ) == ()
    java = find_java(machine.environ)
    assert java is not None
    assert java.major == major


@pytest.mark.parametrize(
    ("says", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ("Error: could not find libjava.so", None),
    ],
)
def test_without_a_release_file_java_is_asked(machine: Machine, says: str, major: int | None) -> None:
    machine.remove("jvm/java-17/release")
    machine.script("jvm/java-17/bin/java", f"echo '{says}' >&2")
    java = find_java(machine.environ)
    assert java is not None
    assert java.major == major
    problems = check(machine.environ)
    assert [problem.need for problem in problems] == ([] if major == 17 else [Need.JAVA])
    if major is None:
        assert "does not report its version" in str(problems[0])


def test_java_home_comes_first(machine: Machine) -> None:
    machine.java("opt/jdk", "21.0.1")
    java = find_java(machine.environ | {"JAVA_HOME": str(machine.root / "opt/jdk")})
    assert java is not None
    assert java.path == machine.root / "opt/jdk/bin/java"


@pytest.mark.parametrize("java_home", ["old", "nowhere"])
def test_a_java_home_that_will_not_do_is_passed_over(machine: Machine, java_home: str) -> None:
    machine.java("old", "11.0.2")
    environ = machine.environ | {"JAVA_HOME": str(machine.root / java_home)}
    java = find_java(environ)
    assert java is not None
    assert java.path == machine.root / "bin/java"
    assert check(environ) == ()


def test_a_java_that_is_no_default_is_found(machine: Machine) -> None:
    machine.java("opt/old", "11.0.2")
    machine.remove("bin/java")
    (machine.root / "bin/java").symlink_to(machine.root / "opt/old/bin/java")
    java = find_java(machine.environ)
    assert java is not None
    assert java.path == machine.root / "jvm/java-17/bin/java"


@pytest.mark.parametrize(
    ("sysctls", "uid", "says"),
    [
        ({"user/max_user_namespaces": 0}, 0, "sudo sysctl -w user.max_user_namespaces=10000"),
        ({"user/max_net_namespaces": 0}, 1000, "sudo sysctl -w user.max_net_namespaces=10000"),
        ({"kernel/unprivileged_userns_clone": 0}, 1000, "kernel.unprivileged_userns_clone=1"),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": 1, "user/max_user_namespaces": 9000},
            1000,
            "as Ubuntu 24.04 sets it. Run as root, or allow them: sudo sysctl -w kernel.apparmor_",
        ),
        ({"kernel/apparmor_restrict_unprivileged_userns": 1}, 0, "In a container, start it with --privileged"),
        ({}, 1000, "In a container, start it with --privileged"),
    ],
)
def test_forbidden_namespaces_are_explained(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, sysctls: dict[str, int], uid: int, says: str
) -> None:
    machine.script("bin/unshare", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1")
    for name, value in sysctls.items():
        machine.write(f"proc/sys/{name}", f"{value}\n")
    monkeypatch.setattr("os.geteuid", lambda: uid)
    problem = the_problem(machine)
    assert problem.need is Need.NAMESPACES
    assert "said: unshare: unshare failed: Operation not permitted" in str(problem)
    assert says in str(problem)


def test_namespaces_in_which_nothing_may_be_done_are_a_problem(machine: Machine) -> None:
    machine.script("bin/unshare", 'while [ "$1" != ip ]; do shift; done; exec "$@"')
    assert check(machine.environ) == ()
    machine.script("bin/ip", "exit 2")
    assert "said: exit 2 without a word" in the_problem(machine).found


@pytest.mark.parametrize(("uid", "rootless"), [(0, False), (1000, True)])
def test_only_root_does_without_a_user_namespace(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, uid: int, rootless: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    machine.script("bin/unshare", 'echo "$*" >&2; exit 1')
    assert ("said: --user --map-root-user --net" in the_problem(machine).found) is rootless


def test_namespaces_that_hang_are_a_problem(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_TRIAL_S", 0.1)
    machine.script("bin/unshare", "exec /bin/sleep 20")
    assert "did not end within" in the_problem(machine).found


@pytest.mark.parametrize(("brokers", "enough"), [(3, True), (16, True), (18, False)])
def test_memory_is_counted_by_the_broker(machine: Machine, *, brokers: int, enough: bool) -> None:
    problems = check(machine.environ, brokers=brokers)
    assert [problem.need for problem in problems] == ([] if enough else [Need.MEMORY])


def test_too_little_memory_is_said_in_numbers(machine: Machine) -> None:
    machine.write("proc/meminfo", "MemAvailable:  600000 kB\n")
    assert str(the_problem(machine)).startswith(
        "750 MB of free memory, 250 MB for each of 3 brokers: 614 MB are available."
    )


@pytest.mark.parametrize(
    ("limit", "used", "cache", "enough"),
    [
        ("max", 0, 0, True),
        ("900000000", 100_000_000, 0, True),
        ("900000000", 300_000_000, 0, False),
        ("900000000", 300_000_000, 200_000_000, True),
        ("100000000", 300_000_000, 0, False),
    ],
)
@pytest.mark.parametrize("directory", ["cgroup", "cgroup/a", "cgroup/a/b"])
def test_a_limit_of_any_control_group_above_counts(
    machine: Machine, directory: str, limit: str, used: int, cache: int, *, enough: bool
) -> None:
    machine.write(f"{directory}/memory.max", limit)
    machine.write(f"{directory}/memory.current", f"{used}\n")
    machine.write(f"{directory}/memory.stat", f"anon 5\ninactive_file {cache}\n")
    assert (check(machine.environ) == ()) is enough


def test_a_kernel_that_tells_nothing_of_memory_is_no_problem(machine: Machine) -> None:
    machine.write("proc/meminfo", "MemTotal: 1 kB\n")
    machine.remove("proc/self/cgroup")
    assert check(machine.environ) == ()


NO_NETEM: Final = """case "$*" in *netem*) echo 'Error: Specified qdisc kind is unknown.' >&2; exit 2;; esac"""


def test_distance_needs_netem_or_tun(machine: Machine) -> None:
    machine.script("bin/unshare", NO_NETEM)
    assert check(machine.environ) == (), "the relay is enough"
    machine.remove("dev/net/tun")
    problem = the_problem(machine)
    assert problem.need is Need.DISTANCE
    assert not problem.package
    said = str(problem)
    assert "netem or " in said
    assert "dev/net/tun: No such file or directory; `unshare " in said
    assert "Specified qdisc kind is unknown" in said
    assert "modprobe" in said
    assert "--cross-region-rtt-ms 0 --in-region-rtt-ms 0" in said
    assert check(machine.environ, distance=False) == ()


def test_distance_by_netem_needs_no_tun(machine: Machine) -> None:
    machine.remove("dev/net/tun")
    assert check(machine.environ) == ()


def test_without_namespaces_distance_is_not_asked_for(machine: Machine) -> None:
    machine.remove("dev/net/tun")
    machine.script("bin/unshare", "exit 1")
    assert the_problem(machine).need is Need.NAMESPACES
