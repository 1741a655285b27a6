"""OCI images of the probe, the tool and a fleet's function: Debian's packages and bundles, no container engine needed.

``python -m tools.image FOLDER`` writes an OCI image layout; what reads one takes it (``podman pull oci:FOLDER``,
``skopeo copy oci:FOLDER docker://...``). The same packages and the same source are the same digest. ``--of tool`` makes
the image of the whole command instead, for this machine's processor, from what is installed here; ``--of function``
that of a fleet's function, which Lambda runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import marshal
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from brokerproof.errors import CouldNotError
from brokerproof.fleet import bundle as fleet_bundle
from brokerproof.fleet.bundle import HANDLER
from brokerproof.vantages.bundle import (
    Bundle,
    FarPlatform,
    bundle_for,
    download_wheels,
    files_of,
    needed,
    this_platform,
)
from brokerproof.vantages.own_far_side import HOME, NOBODY
from tools.oci import MACHINES, Entry, Layout

ROOT: Final = Path(__file__).resolve().parents[1]
PYTHON: Final = "3.11"
"""Debian 12's."""
PACKAGES: Final = (
    "busybox",
    "ca-certificates",
    "gcc-12-base",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
)
"""Python and what its modules need; busybox has ``env`` and a shell for whoever looks in."""
FOR_TOOL: Final = ("libsqlite3-0",)
"""Beside these, for the canary's store."""
FOR_FUNCTION: Final = ("libstdc++6",)
"""Likewise, for AWS's runtime client."""
RUNTIME: Final = ("awslambdaric==4.2.2", "simplejson==4.3.0", "snapshot-restore-py==1.0.0")
"""AWS's runtime client for Python, and what it needs; of a function."""
EXTRAS: Final = frozenset({"aws", "canary", "otlp"})
"""Of the tool: what runs where no file is drawn, and no lab."""
PLACE: Final = "opt/brokerproof"
_LEFT_OUT: Final = re.compile(
    r"^usr/share/(doc|man|locale|lintian|bug|doc-base|applications|pixmaps|binfmts|initramfs-tools)(/|$)"
    r"|^usr/lib/python3\.11/(test|idlelib|tkinter|turtledemo|lib2to3|ensurepip|pydoc_data|distutils|unittest)(/|$)"
    r"|^usr/lib/python3\.11/config-|^etc/(ca-certificates|init\.d)|^usr/sbin/|^var/|^usr/lib/.*/(gconv|audit)(/|$)"
)
_MERGED: Final = ("bin", "sbin", "lib", "lib64")
"""Folders of the root that are links into /usr (Debian's merged /usr)."""
_BUSYBOX: Final = ("sh", "env", "cat", "ls", "sleep", "ps")
_USERS: Final = "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65532:65532:nobody:/tmp:/bin/sh\n"
_GROUPS: Final = "root:x:0:\nnobody:x:65532:\n"
_NSSWITCH: Final = "passwd: files\ngroup: files\nhosts: files dns\n"
_NOT_PACKED: Final = re.compile(r"(^|/)(tests?|__pycache__|include)/|\.(pyi|h|pxd|pyc)$")
_NOT_BUILT_FROM: Final = (
    *(".*", "results", "build", "dist", "*.egg-info", "__pycache__", "node_modules"),
    *("tests", "benchmarks", "docs", "deploy"),
)
_CERTIFICATES: Final = "usr/share/ca-certificates/"


class Of(StrEnum):
    """What an image is of."""

    PROBE = "probe"
    TOOL = "tool"
    FUNCTION = "function"

    @property
    def entry_point(self) -> list[str]:
        """The command that its arguments are handed to."""
        modules = {Of.PROBE: "brokerproof.probes", Of.TOOL: "brokerproof", Of.FUNCTION: "awslambdaric"}
        return ["python3", "-m", modules[self]]

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian's."""
        more = {Of.PROBE: (), Of.TOOL: FOR_TOOL, Of.FUNCTION: FOR_FUNCTION}
        return (*PACKAGES, *more[self])

    @property
    def settings(self) -> dict[str, Any]:
        """Of its configuration, what differs: Lambda gives the user, and a root that cannot be written to."""
        if self is Of.FUNCTION:
            return {"Cmd": [HANDLER], "WorkingDir": f"/{PLACE}"}
        return {"User": f"{NOBODY}:{NOBODY}", "WorkingDir": HOME}


class ImageError(CouldNotError):
    """An image cannot be made here; one sentence."""


def base_entries(debs: Iterable[Path]) -> dict[str, Entry]:
    """What is in these packages, as far as a Python that runs a probe needs it."""
    entries: dict[str, Entry] = {}
    for deb in sorted(debs):
        entries.update(_unpacked(deb))
    certificates = (entries.pop(name) for name in sorted(entries) if name.startswith(_CERTIFICATES))
    bundle = b"".join(each.data for each in certificates if each.data.startswith(b"-----BEGIN"))
    entries |= {
        "etc/ssl/certs/ca-certificates.crt": Entry(data=bundle),
        "usr/lib/ssl/cert.pem": Entry(link="/etc/ssl/certs/ca-certificates.crt"),
        "etc/passwd": Entry(data=_USERS.encode()),
        "etc/group": Entry(data=_GROUPS.encode()),
        "etc/nsswitch.conf": Entry(data=_NSSWITCH.encode()),
        "tmp": Entry(mode=0o1777, folder=True),
        "usr/bin/python3": Entry(link=f"python{PYTHON}"),
        **{name: Entry(link=f"usr/{name}") for name in _MERGED},
        **{f"usr/bin/{name}": Entry(link="busybox") for name in _BUSYBOX},
    }
    return entries


def _unpacked(deb: Path) -> Iterator[tuple[str, Entry]]:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=False)
    if done.returncode:
        raise ImageError(f"{deb.name} cannot be unpacked: {done.stderr.decode(errors='replace').strip()[-300:]}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            first, _, inner = name.partition("/")
            if first in _MERGED:
                name = f"usr/{name}"
            if not inner or member.isdir() or _LEFT_OUT.search(name):
                continue
            if member.issym():
                yield name, Entry(link=member.linkname)
            elif member.isfile() or member.islnk():
                opened = tar.extractfile(member)
                yield name, Entry(mode=member.mode & 0o755, data=opened.read() if opened else b"")


def compiled(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The byte code of these modules, so that a container that is started anew does not compile them first.

    It is not checked against the source (PEP 552), and has no references (marshal's version 2): the same source is the
    same bytes.
    """
    found: dict[str, Entry] = {}
    tag = f".cpython-{PYTHON.replace('.', '')}.pyc"
    for name, entry in entries.items():
        if not name.endswith(".py") or entry.link:
            continue
        try:
            code = compile(entry.data, f"/{name}", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):
            continue  # a template, or of another Python
        head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(entry.data)
        at = Path(name)
        found[str(at.parent / "__pycache__" / f"{at.stem}{tag}")] = Entry(data=head + marshal.dumps(code, 2))
    return found


def probe_entries(bundle: Bundle) -> dict[str, Entry]:
    """The probe and its packages, where Python looks for them in the image."""
    with zipfile.ZipFile(bundle.path) as archive:
        return {f"{PLACE}/{name}": Entry(data=archive.read(name)) for name in archive.namelist()}


def function_entries(machine: str) -> dict[str, Entry]:
    """A fleet's function, and AWS's runtime client, which the image of a function brings along.

    Raises:
        BundleError: packages are missing.
        ImageError: pip cannot have the runtime client.
    """
    [architecture] = [name for name, of_wheels in fleet_bundle.MACHINES.items() if of_wheels == machine]
    entries = probe_entries(fleet_bundle.function_bundle(architecture, PYTHON))
    with tempfile.TemporaryDirectory(prefix="brokerproof-") as folder:
        said = download_wheels(Path(folder), FarPlatform(PYTHON, machine), RUNTIME)
        if said:
            raise ImageError(f"pip cannot have {', '.join(RUNTIME)}: {said[-300:]}")
        for wheel in sorted(Path(folder).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                names = [each for each in archive.namelist() if not each.endswith(("/", ".dist-info/RECORD"))]
                entries |= {f"{PLACE}/{name}": Entry(data=archive.read(name)) for name in names}
    return entries


def own_entries(of: Of, machine: str) -> dict[str, Entry]:
    """What an image has beside Debian's packages.

    Raises:
        ImageError: it cannot be made.
        BundleError: packages are missing.
    """
    match of:
        case Of.PROBE:
            return probe_entries(bundle_for(FarPlatform(PYTHON, machine)))
        case Of.FUNCTION:
            return function_entries(machine)
        case Of.TOOL:
            return tool_entries()


def tool_entries() -> dict[str, Entry]:
    """The tool as its wheel has it, and the packages that it and its extras need, as they are installed here.

    Raises:
        ImageError: the wheel cannot be built.
        BundleError: a package is missing.
    """
    entries = {f"{PLACE}/{name}": Entry(data=data) for name, data in _own_wheel()}
    extras = ",".join(sorted(EXTRAS))
    for name in sorted(needed([f"brokerproof[{extras}]"], extra=extras) - {"brokerproof"}):
        entries |= {
            f"{PLACE}/{relative}": Entry(data=path.read_bytes())
            for relative, path in files_of(name)
            if not _NOT_PACKED.search(relative)
        }
    return entries


def _own_wheel() -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory(prefix="brokerproof-") as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        source = Path(folder, "source")
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_NOT_BUILT_FROM))
        done = subprocess.run([*command, f"--wheel-dir={folder}", source], capture_output=True, text=True, check=False)
        wheels = [*Path(folder).glob("*.whl")]
        if done.returncode or len(wheels) != 1:
            raise ImageError(f"the wheel cannot be built: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(wheels[0]) as archive:
            for name in archive.namelist():
                if not name.endswith(("/", ".dist-info/RECORD")):
                    yield name, archive.read(name)


def debs(cache: Path, machine: str, packages: Sequence[str] = PACKAGES) -> tuple[Path, ...]:
    """Debian's packages for a machine, downloaded by apt where they are not there yet.

    Raises:
        ImageError: apt cannot have them.
    """
    cache.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", *_apt_for(cache, machine)]
    if machine != this_platform().machine and not any(cache.glob("apt/lists/*_Packages*")):
        subprocess.run([*apt, "update"], capture_output=True, check=False)
    done = subprocess.run([*apt, "download", *packages], cwd=cache, capture_output=True, text=True, check=False)
    found = tuple(max(cache.glob(f"{name}_*.deb"), key=os.path.getmtime, default=None) for name in packages)
    missing = [name for name, path in zip(packages, found, strict=True) if path is None]
    if done.returncode and missing:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ImageError(f"apt-get cannot download {', '.join(missing)}: {said[0][-300:]}; run it on Debian 12")
    return tuple(path for path in found if path is not None)


def _apt_for(cache: Path, machine: str) -> list[str]:
    """What has apt choose packages of another machine than this one, with lists of its own and nothing installed."""
    if machine == this_platform().machine:
        return []
    folder = cache / "apt"
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    named = {
        "APT::Architecture": MACHINES[machine],
        "APT::Architectures": MACHINES[machine],
        "APT::Sandbox::User": "root",
        "Dir::State": str(folder),
        "Dir::State::Lists": str(folder / "lists"),
        "Dir::State::Status": os.devnull,
        "Dir::Cache": str(folder),
    }
    return [f"--option={key}={value}" for key, value in named.items()]


def make(folder: Path, *, cache: Path, machine: str, of: Of = Of.PROBE, at_once: bool = False) -> str:
    """Write an image; returns its digest.

    ``at_once``: for one that is unpacked where it is made, which is larger then, and made in two thirds of the time.

    Raises:
        ImageError: the folder holds something else, a package is missing, or the tool is asked for on another machine.
        BundleError: packages of the probe or of the tool are missing.
    """
    if this_platform().python != PYTHON:
        raise ImageError(
            f"the image has Debian's Python {PYTHON}; run this with Python {PYTHON} too, to compile for it"
        )
    if folder.exists() and any(folder.iterdir()):
        raise ImageError(f"{folder} is not empty: name a new folder")
    if of is Of.TOOL and machine != this_platform().machine:
        raise ImageError(f"the tool's image is made of what is installed here: make it on {machine}")
    layout = Layout(folder, effort=1) if at_once else Layout(folder)
    for entries in (base_entries(debs(cache / machine, machine, of.packages)), own_entries(of, machine)):
        layout.add_layer(entries | compiled(entries))
    return layout.finish(of, machine, config_of(of))


def config_of(of: Of) -> dict[str, Any]:
    """How a container of an image is run (OCI image configuration)."""
    variables = {
        "PATH": "/usr/bin",
        "PYTHONPATH": f"/{PLACE}",
        "PYTHONSAFEPATH": "1",
        "HOME": HOME,
        "LANG": "C.UTF-8",
    }
    return {"Env": [f"{key}={value}" for key, value in variables.items()], "Entrypoint": of.entry_point, **of.settings}


def main(words: list[str] | None = None) -> int:
    """Make it, and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for the OCI image layout")
    parser.add_argument("--machine", choices=list(MACHINES), default=this_platform().machine)
    parser.add_argument("--of", type=Of, choices=list(Of), default=Of.PROBE, help="what it is of")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "brokerproof" / "debs")
    options = parser.parse_args(words)
    try:
        digest = make(options.folder, cache=options.cache, machine=options.machine, of=options.of)
    except CouldNotError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    size = sum(path.stat().st_size for path in (options.folder / "blobs" / "sha256").iterdir())
    sys.stdout.write(
        f"{digest}\n{size / 1e6:.1f} MB in {options.folder}; podman pull oci:{options.folder}:{options.of}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
