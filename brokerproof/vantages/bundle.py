"""The probe and its packages as one file, for a platform and a Python: what a vantage puts on its far side.

Of this platform and Python a bundle is made of what is installed here, and needs no network. Of another it is made of
wheels that pip downloads. The same contents are the same bytes, so that a far side is asked for its hash alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import brokerproof
from brokerproof.errors import CouldNotError

PACKAGES: Final = (
    "confluent-kafka",
    "cryptography",
    "dnspython",
    "hdrhistogram",
    "kio",
    "msgspec",
    "pyopenssl",
    "service-identity",
)
"""What the probes import; a test compares it with the extra ``probe``."""
FOR_IAM: Final = "botocore"
"""Goes along where it is installed here: clients that log in by IAM need it, and their hosts seldom have it."""
OLDEST: Final = (3, 11)
"""Of kio, and of the probes."""
_LEFT_OUT: Final = frozenset({"pbr", "setuptools", "pycparser"})
"""What packages name and nothing imports while a probe runs: for building, and for cffi's own compiler."""
_FOR_MEASURING: Final = "hdrhistogram"
"""Not every machine has a wheel of it (aarch64 has none), and a verification does without."""
_NOT_RUN: Final = re.compile(r"(^|/)(tests?|__pycache__|docs|include|bin|share)(/|$)|\.pyi$|\.h$|\.pxd$|\.pyc$")
OF_THE_INSTALLATION: Final = re.compile(r"\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$")
"""Says where and by what a package was installed: the same package would be other bytes."""
_OF_OTHER_SERVICES: Final = re.compile(r"^botocore/(data/(?!(sts|sso|sso-oidc|signin)/)[^/]+/)")
"""botocore describes all of AWS; credentials are had of these alone."""
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
_WHEELS: Final = {
    "glibc": ("manylinux2014_{}", "manylinux_2_17_{}", "manylinux_2_28_{}", "manylinux_2_34_{}"),
    "musl": ("musllinux_1_1_{}", "musllinux_1_2_{}"),
}
_LAST_WORDS: Final = 300


_ONE_AT_A_TIME: Final = threading.Lock()
"""Hundreds of hosts may want it at once, and a cache lets threads that ask at the same time all do the work."""

Files = tuple[tuple[str, Path], ...]
"""Names in a bundle, and where their contents are."""


class BundleError(CouldNotError):
    """A bundle cannot be made; one sentence that states what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class FarPlatform:
    """What a bundle is for."""

    python: str
    """As in ``3.12``."""
    machine: str
    """As in ``x86_64`` or ``aarch64``."""
    libc: str = "glibc"

    def words(self) -> str:
        """For people."""
        return f"Python {self.python} on {self.machine} ({self.libc})"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One file, and what it is called by."""

    path: Path
    sha256: str
    size: int

    def read(self) -> bytes:
        """All of it; the same object each time, since hundreds of hosts may be sent it at once."""
        with _ONE_AT_A_TIME:
            return _contents(self.path, self.sha256)


def this_platform() -> FarPlatform:
    """Where this process runs."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return FarPlatform(version, platform.machine(), platform.libc_ver()[0] or "musl")


def bundle_for(far: FarPlatform, *, besides: Files = (), environ: Mapping[str, str] = os.environ) -> Bundle:
    """The bundle for a platform: from the cache, or made now; ``besides`` are further files, by their names in it.

    Of threads that ask for it at the same time one makes it.

    Raises:
        BundleError: it cannot be made.
    """
    with _ONE_AT_A_TIME:
        return _bundle_for(far, besides, _cache(environ))


def _bundle_for(far: FarPlatform, besides: Files, folder: Path) -> Bundle:
    if tuple(map(int, far.python.split("."))) < OLDEST:
        raise BundleError(f"the probe needs Python {'.'.join(map(str, OLDEST))} or newer, not {far.python}")
    path = folder / f"probe-{_own_key(besides)}-{far.python}-{far.machine}-{far.libc}.zip"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as made:
                _make(Path(made), far, besides).replace(path)
        except OSError as error:
            why = f"the probe's bundle cannot be written below {folder}: {error.strerror or error}"
            raise BundleError(why) from None
    return _described(path, path.stat().st_mtime_ns)


@cache
def _described(path: Path, _changed_ns: int) -> Bundle:
    with path.open("rb") as file:
        return Bundle(path, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@lru_cache(maxsize=4)
def _contents(path: Path, _sha256: str) -> bytes:
    return path.read_bytes()


def _cache(environ: Mapping[str, str]) -> Path:
    stated = Path(environ.get("XDG_CACHE_HOME", ""))
    base = stated if stated.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "brokerproof" / "bundles"


@cache
def _own_key(besides: Files) -> str:
    """What tells this probe, these packages, and how they are put together from others."""
    seen = hashlib.sha256(Path(__file__).read_bytes())
    for name, path in (*_own_files(), *besides):
        seen.update(f"{name}\0".encode() + path.read_bytes())
    for name in sorted(_needed(this_platform())):
        seen.update(f"{name} {importlib.metadata.version(name)}\0".encode())
    return seen.hexdigest()[:16]


def _own_files() -> Iterator[tuple[str, Path]]:
    root = Path(brokerproof.__file__).parent
    yield "brokerproof/__init__.py", root / "__init__.py"
    probes = (root / "probes").resolve()
    for path in sorted(probes.rglob("*.py")):
        yield f"brokerproof/probes/{path.relative_to(probes)}", path


def _make(folder: Path, far: FarPlatform, besides: Files) -> Path:
    own = dict((*_own_files(), *besides))
    here = far == this_platform()
    packages = dict(_installed()) if here else dict(_wheels(folder, far))
    target = folder / "bundle.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as bundle:
        for name, path in sorted((own | packages).items()):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, path.read_bytes())
    return target


def _installed() -> Iterator[tuple[str, Path]]:
    """The files of the packages as they are installed here."""
    for name in sorted(_needed(this_platform())):
        yield from ((relative, path) for relative, path in files_of(name) if not _left_out(relative))


def files_of(package: str) -> Iterator[tuple[str, Path]]:
    """What an installed package brings to where Python imports from: the names there, and where the contents are.

    Raises:
        BundleError: it does not list its files.
    """
    files = importlib.metadata.distribution(package).files
    if files is None:
        raise BundleError(f"{package} does not list its files, so it cannot be bundled: install it with pip")
    for file in files:
        path, relative = Path(str(file.locate())), str(file)
        if not relative.startswith("..") and not OF_THE_INSTALLATION.search(relative) and path.is_file():
            yield relative, path


def _left_out(relative: str) -> bool:
    """Whether a package's file is of no use to a probe."""
    not_run = _NOT_RUN.search(relative) and not relative.startswith("botocore/docs/")  # which its clients import
    return bool(not_run or OF_THE_INSTALLATION.search(relative) or _OF_OTHER_SERVICES.search(relative))


def _needed(far: FarPlatform) -> frozenset[str]:
    """The packages and what these need in turn on a platform, by the names they are installed under."""
    there = {"python_version": far.python, "platform_machine": far.machine, "python_full_version": f"{far.python}.0"}
    wanted = [*PACKAGES, *([FOR_IAM] if find_spec(FOR_IAM) else [])]
    return needed(wanted, extra="probe", environment=there, without=_LEFT_OUT)


def needed(
    wanted: Iterable[str], *, extra: str, environment: Mapping[str, str] | None = None, without: Collection[str] = ()
) -> frozenset[str]:
    """What these requirements need in turn, and what they name, by the names of packages.

    Args:
        wanted: Requirements (PEP 508), extras included.
        extra: Of this project: brings what is missing.
        environment: What differs from this platform, as markers name it.
        without: Packages that are left out, with what they alone need.

    Raises:
        BundleError: one of them is not installed here.
    """
    left, seen = [Requirement(each) for each in wanted], set[tuple[str, frozenset[str]]]()
    while left:
        one = left.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen or key[0] in without:
            continue
        try:
            needs = importlib.metadata.requires(one.name) or []
        except importlib.metadata.PackageNotFoundError:
            why = f"the {extra}'s package {one.name} is not installed here: pip install 'brokerproof[{extra}]'"
            raise BundleError(why) from None
        seen.add(key)
        markers = [{**(environment or {}), "extra": chosen} for chosen in one.extras or {""}]
        left += [each for each in map(Requirement, needs) if _holds(each, markers)]
    return frozenset(name for name, _ in seen)


def _holds(requirement: Requirement, markers: Sequence[dict[str, str]]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate(marker) for marker in markers)


def _wheels(folder: Path, far: FarPlatform) -> Iterator[tuple[str, Path]]:
    """The files of the packages for another platform, from wheels of the same versions."""
    wheels, unpacked = folder / "wheels", folder / "unpacked"
    wanted = {name: f"{name}=={importlib.metadata.version(name)}" for name in sorted(_needed(far))}
    said = download_wheels(wheels, far, [*wanted.values()])
    if _FOR_MEASURING in said:
        del wanted[_FOR_MEASURING]
        said = download_wheels(wheels, far, [*wanted.values()])
    if said:
        raise BundleError(
            f"no bundle of the probe for {far.words()} is here, and pip could not make one: {said[-_LAST_WORDS:]}; "
            "make it where a package index is reached: brokerproof probe bundle --python "
            f"{far.python} --machine {far.machine} --libc {far.libc}"
        )
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
    for path in sorted(unpacked.rglob("*")):
        relative = str(path.relative_to(unpacked))
        if path.is_file() and not _left_out(relative):
            yield relative, path


def download_wheels(folder: Path, far: FarPlatform, wanted: Sequence[str]) -> str:
    """Have pip download the wheels of these requirements alone; its last words where it does not, else nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={far.python}", "--implementation=cp", f"--dest={folder}"]
    command += [f"--platform={each.format(far.machine)}" for each in _WHEELS.get(far.libc, ())]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if not done.returncode:
        return ""
    return next(iter(done.stderr.strip().splitlines()[-1:]), "pip said nothing")
