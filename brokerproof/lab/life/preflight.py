"""What the lab needs of this machine, checked before anything is started.

Standard library only: set-up runs this before anything is installed. Nothing is changed here. The
check makes empty namespaces, because no setting tells whether that is allowed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

OLDEST_JAVA: Final = 17
"""Kafka 4 brokers need it (KIP-1013)."""
BROKER_MB: Final = 250
"""Resident memory of one broker as the lab starts it, with room for its page cache."""
DEFAULT_BROKERS: Final = 3

_SYSTEM_DIRECTORIES: Final = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian keeps nft and unbound; not on the PATH of ordinary users."""
_JVM: Final = Path("/usr/lib/jvm")
_PROC: Final = Path("/proc")
_CGROUP: Final = Path("/sys/fs/cgroup")
_OS_RELEASE: Final = Path("/etc/os-release")
_TUN: Final = Path("/dev/net/tun")
_TRIAL_S: Final = 5.0
_JAVA_VERSION: Final = re.compile(r'(?:JAVA_VERSION=|version )"(?:1\.)?(?P<major>\d+)')
_MB: Final = 1_000_000


class Need(StrEnum):
    """Everything the lab needs of a machine."""

    JAVA = "java"
    IP = "ip"
    NFT = "nft"
    UNBOUND = "unbound"
    NSENTER = "nsenter"
    UNSHARE = "unshare"
    NAMESPACES = "namespaces"
    DISTANCE = "distance"
    MEMORY = "memory"


@dataclass(frozen=True)
class Tool:
    """A command, what the lab does with it, and the Debian package that has it."""

    need: Need
    use: str
    package: str


TOOLS: Final = (
    Tool(Need.IP, "lays the lab's links and routes", "iproute2"),
    Tool(Need.NFT, "forwards and filters in the lab", "nftables"),
    Tool(Need.UNBOUND, "is each VPC's resolver", "unbound"),
    Tool(Need.NSENTER, "enters a client's VPC", "util-linux"),
    Tool(Need.UNSHARE, "sets the lab apart from this machine", "util-linux"),
)


@dataclass(frozen=True)
class Problem:
    """One thing the lab needs and this machine does not give; ``str()`` is the sentence."""

    need: Need
    looked_for: str
    found: str
    remedy: str
    package: str = ""
    """The Debian package that would solve it; empty where none would."""

    def __str__(self) -> str:
        return f"{self.looked_for}: {self.found}. {self.remedy}"


@dataclass(frozen=True)
class Java:
    """A Java runtime. ``major`` is None where it does not report its version."""

    path: Path
    major: int | None

    @property
    def new_enough(self) -> bool:
        """Whether Kafka runs on it."""
        return self.major is not None and self.major >= OLDEST_JAVA


def check(environ: Mapping[str, str], *, brokers: int = DEFAULT_BROKERS, distance: bool = True) -> tuple[Problem, ...]:
    """Everything that keeps this machine from running a lab of N brokers; empty when nothing does.

    ``distance``: whether any of its links has a delay, a rate or loss.
    """
    problems = [*_java_problem(environ), *_tool_problems(environ), *_memory_problem(brokers)]
    if not {Need.UNSHARE, Need.IP} & {problem.need for problem in problems}:
        problems += _namespace_problem(environ) or (_distance_problem(environ) if distance else ())
    return tuple(problems)


def search_path(environ: Mapping[str, str]) -> str:
    """``PATH`` with the system directories behind it; run the lab's tools with this one."""
    return ":".join(filter(None, (environ.get("PATH", ""), _SYSTEM_DIRECTORIES)))


def find_tool(name: str, environ: Mapping[str, str]) -> Path | None:
    """Where a command is, on ``PATH`` or in the system directories."""
    found = shutil.which(name, path=search_path(environ))
    return Path(found) if found else None


def find_java(environ: Mapping[str, str]) -> Java | None:
    """The Java to run Kafka with: the first that is new enough, else the first there is.

    ``JAVA_HOME`` comes first, then ``PATH``, then what Debian has installed and made no default.
    """
    first: Java | None = None
    for path in _javas(environ):
        java = Java(path, _major(path))
        if java.new_enough:
            return java
        first = first or java
    return first


def java_package() -> str:
    """The Debian package with a Java that is new enough, on this release."""
    # Java 17 or newer is the default from Debian 12 and Ubuntu 24.04 on; Ubuntu 22.04's is 11, and
    # Debian 13 has no openjdk-17.
    try:
        jammy = re.search(r'^\w*CODENAME="?jammy', _OS_RELEASE.read_text("utf-8"), re.MULTILINE)
    except OSError:
        jammy = None
    return "openjdk-17-jre-headless" if jammy else "default-jre-headless"


def namespace_options() -> tuple[str, ...]:
    """Options of unshare(1) for the namespaces the lab lives in; root needs no user namespace."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return (*user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def _install(package: str) -> str:
    return f"Install the Debian package {package} (`make setup` does)"


def _javas(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("JAVA_HOME")
    candidates = [Path(home) / "bin" / "java"] if home else []
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    candidates += [Path(on_path)] if on_path else []
    candidates += sorted(_JVM.glob("*/bin/java"), reverse=True)
    return (path for path in candidates if os.access(path, os.X_OK))


def _major(java: Path) -> int | None:
    """From the ``release`` file beside the binary, because asking Java itself takes 50 ms."""
    try:
        text = (java.resolve().parent.parent / "release").read_text("utf-8", errors="replace")
    except OSError:
        text = ""
    match = _JAVA_VERSION.search(text) or _JAVA_VERSION.search(_said_by(java))
    return int(match["major"]) if match else None


def _said_by(java: Path) -> str:
    try:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_TRIAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stderr


def _java_problem(environ: Mapping[str, str]) -> Iterator[Problem]:
    java = find_java(environ)
    if java and java.new_enough:
        return
    if java is None:
        found = f"none in JAVA_HOME, on PATH or in {_JVM}"
    elif java.major is None:
        found = f"{java.path} does not report its version"
    else:
        found = f"{java.path} is Java {java.major}"
    package = java_package()
    yield Problem(
        need=Need.JAVA,
        looked_for=f"Java {OLDEST_JAVA} or newer, which runs Kafka",
        found=found,
        remedy=f"{_install(package)}, or set JAVA_HOME to one.",
        package=package,
    )


def _tool_problems(environ: Mapping[str, str]) -> Iterator[Problem]:
    for tool in TOOLS:
        if find_tool(tool.need, environ) is None:
            yield Problem(
                need=tool.need,
                looked_for=f"{tool.need}, which {tool.use}",
                found=f"neither on PATH nor in {_SYSTEM_DIRECTORIES}",
                remedy=f"{_install(tool.package)}.",
                package=tool.package,
            )


def _namespace_problem(environ: Mapping[str, str]) -> tuple[Problem, ...]:
    # The link is set up because some settings allow the namespaces but no work inside them.
    said = _tried(environ, "ip", "link", "set", "lo", "up")
    if not said:
        return ()
    setting, remedy = _what_forbids_namespaces()
    problem = Problem(
        need=Need.NAMESPACES,
        looked_for="Leave to make namespaces, which the lab lives in",
        found=f"{said}{f'; {setting}' if setting else ''}",
        remedy=remedy,
    )
    return (problem,)


def _distance_problem(environ: Mapping[str, str]) -> tuple[Problem, ...]:
    # netem is tried second: the relay is enough, and trying it is cheap.
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        said = _tried(environ, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        if not said:
            return ()
        problem = Problem(
            need=Need.DISTANCE,
            looked_for=f"netem or {_TUN}, one of which carries the distance between Regions",
            found=f"{_TUN}: {error.strerror}; {said}",
            remedy=(
                "Load one of them: sudo modprobe tun, or sudo modprobe sch_netem. In a container, start it with "
                f"--device {_TUN}. Or build without distance: --cross-region-rtt-ms 0 --in-region-rtt-ms 0."
            ),
        )
        return (problem,)
    return ()


def _tried(environ: Mapping[str, str], *inside: str) -> str:
    """Empty where a command works inside fresh namespaces, else what it printed."""
    command = ["unshare", *namespace_options(), *inside]
    try:
        tried = subprocess.run(
            command,
            env={**environ, "PATH": search_path(environ)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(command)}` did not end within {_TRIAL_S:.0f} s"
    if tried.returncode == 0:
        return ""
    words = " ".join(tried.stderr.split()) or f"exit {tried.returncode} without a word"
    return f"`{' '.join(command)}` said: {words}"


def _what_forbids_namespaces() -> tuple[str, str]:
    """The setting that is most likely the reason, where there is one, and what to do."""
    for name in ("user/max_user_namespaces", "user/max_net_namespaces"):
        if _sysctl(name) == 0:
            dotted = name.replace("/", ".")
            return f"{dotted} is 0", f"Allow them: sudo sysctl -w {dotted}=10000."
    if os.geteuid() != 0:
        if _sysctl("kernel/unprivileged_userns_clone") == 0:
            return (
                "kernel.unprivileged_userns_clone is 0",
                "Run as root, or allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1.",
            )
        if _sysctl("kernel/apparmor_restrict_unprivileged_userns") == 1:
            return (
                "kernel.apparmor_restrict_unprivileged_userns is 1, as Ubuntu 24.04 sets it",
                "Run as root, or allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0.",
            )
    return "", (
        "In a container, start it with --privileged (or with SYS_ADMIN and NET_ADMIN added, seccomp and "
        "AppArmor unconfined). In a chroot it is not possible: leave it."
    )


def _sysctl(name: str) -> int | None:
    try:
        return int((_PROC / "sys" / name).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _memory_problem(brokers: int) -> Iterator[Problem]:
    needed = brokers * BROKER_MB
    available = _available_mb()
    if available is not None and available < needed:
        yield Problem(
            need=Need.MEMORY,
            looked_for=f"{needed} MB of free memory, {BROKER_MB} MB for each of {brokers} brokers",
            found=f"{available} MB are available",
            remedy="Free some, raise the container's limit, or build a topology with fewer brokers.",
        )


def _available_mb() -> int | None:
    """The kernel's estimate, or less where a control group (a container's limit) allows less."""
    text = (_PROC / "meminfo").read_text("ascii")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    if match is None:
        return None
    return min([int(match[1]) * 1024, *_left_in_cgroups()]) // _MB


def _left_in_cgroups() -> Iterator[int]:
    """Bytes left under each memory limit this process is under (cgroup v2)."""
    try:
        match = re.search(r"^0::(/.*)$", (_PROC / "self" / "cgroup").read_text("utf-8"), re.MULTILINE)
    except OSError:
        return
    own = _CGROUP / match[1].lstrip("/") if match else _CGROUP
    for directory in (own, *own.parents):
        if not directory.is_relative_to(_CGROUP):
            return
        try:
            limit = int((directory / "memory.max").read_text("ascii"))
            used = int((directory / "memory.current").read_text("ascii"))
            stat = (directory / "memory.stat").read_text("ascii")
        except (OSError, ValueError):  # no limit reads "max"
            continue
        cache = re.search(r"^inactive_file (\d+)", stat, re.MULTILINE)
        yield max(0, limit - used + (int(cache[1]) if cache else 0))
