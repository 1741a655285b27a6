"""OCI images of the probe and of the tool, made of Debian's packages and of bundles, without a container engine.

``python -m tools.image FOLDER`` writes an OCI image layout; what reads one takes it (``podman pull oci:FOLDER``,
``skopeo copy oci:FOLDER docker://...``). The same packages and the same source are the same digest. ``--of tool`` makes
the image of the whole command instead, for this machine's processor, from what is installed here.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import io
import json
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
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from brokerproof.errors import CouldNotError
from brokerproof.vantages.bundle import Bundle, FarPlatform, bundle_for, files_of, needed, this_platform
from brokerproof.vantages.own_far_side import HOME, NOBODY

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
EXTRAS: Final = frozenset({"aws", "canary", "otlp"})
"""Of the tool: what runs where no file is drawn, and no lab."""
MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""As Debian and OCI call them."""
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
_MEDIA: Final = "application/vnd.oci.image."


class Of(StrEnum):
    """What an image is of."""

    PROBE = "probe"
    TOOL = "tool"

    @property
    def entry_point(self) -> list[str]:
        """The command that its arguments are handed to."""
        module = {Of.PROBE: "brokerproof.probes", Of.TOOL: "brokerproof"}[self]
        return ["python3", "-m", module]


class ImageError(CouldNotError):
    """An image cannot be made here; one sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link of an image."""

    mode: int = 0o644
    data: bytes = b""
    link: str = ""
    folder: bool = False


@dataclass(slots=True)
class Layout:
    """An OCI image layout that is being written."""

    folder: Path
    layers: list[dict[str, Any]] = field(default_factory=list)
    diff_ids: list[str] = field(default_factory=list)

    def add_layer(self, entries: Mapping[str, Entry]) -> None:
        """A layer of these entries, in the order of their names, without owners and times."""
        text = tar_of(entries)
        self.diff_ids.append(f"sha256:{hashlib.sha256(text).hexdigest()}")
        self.layers.append(self._blob(gzip.compress(text, compresslevel=6, mtime=0), "layer.v1.tar+gzip"))

    def finish(self, name: str, machine: str, config: Mapping[str, Any]) -> str:
        """Write configuration, manifest and index; returns the image's digest."""
        settings = {
            "architecture": MACHINES[machine],
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}manifest.v1+json",
            "config": self._blob(_json(settings), "config.v1+json"),
            "layers": self.layers,
        }
        of_manifest = self._blob(_json(manifest), "manifest.v1+json")
        tagged = {**of_manifest, "annotations": {"org.opencontainers.image.ref.name": name}}
        index = {"schemaVersion": 2, "mediaType": f"{_MEDIA}index.v1+json", "manifests": [tagged]}
        (self.folder / "index.json").write_bytes(_json(index))
        (self.folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        return str(of_manifest["digest"])

    def _blob(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs = self.folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"{_MEDIA}{kind}", "digest": f"sha256:{digest}", "size": len(data)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def tar_of(entries: Mapping[str, Entry]) -> bytes:
    """The entries, and the folders they are in, as a tar file that their contents alone decide."""
    whole = dict(entries)
    for name in entries:
        for parent in Path(name).parents:
            if str(parent) != ".":
                whole.setdefault(str(parent), Entry(mode=0o755, folder=True))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(whole):
            entry = whole[name]
            info = tarfile.TarInfo(name)
            info.mode = entry.mode
            if entry.folder:
                info.type = tarfile.DIRTYPE
            elif entry.link:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            else:
                info.size = len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


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
    named = [f"{name}:{MACHINES[machine]}" if name != "ca-certificates" else name for name in packages]
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "download", "-qq", *named], cwd=cache, capture_output=True, text=True, check=False
    )
    found = tuple(max(cache.glob(f"{name}_*.deb"), key=os.path.getmtime, default=None) for name in packages)
    missing = [name for name, path in zip(packages, found, strict=True) if path is None]
    if done.returncode and missing:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ImageError(f"apt-get cannot download {', '.join(missing)}: {said[0][-300:]}; run it on Debian 12")
    return tuple(path for path in found if path is not None)


def make(folder: Path, *, cache: Path, machine: str, of: Of = Of.PROBE) -> str:
    """Write an image; returns its digest.

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
    packages = (*PACKAGES, *FOR_TOOL) if of is Of.TOOL else PACKAGES
    own = tool_entries() if of is Of.TOOL else probe_entries(bundle_for(FarPlatform(PYTHON, machine)))
    layout = Layout(folder)
    for entries in (base_entries(debs(cache / machine, machine, packages)), own):
        layout.add_layer(entries | compiled(entries))
    return layout.finish(
        of,
        machine,
        {
            "Env": [
                "PATH=/usr/bin",
                f"PYTHONPATH=/{PLACE}",
                "PYTHONSAFEPATH=1",
                f"HOME={HOME}",
                "LANG=C.UTF-8",
            ],
            "Entrypoint": of.entry_point,
            "User": f"{NOBODY}:{NOBODY}",
            "WorkingDir": HOME,
        },
    )


def main(words: list[str] | None = None) -> int:
    """Make it, and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for the OCI image layout")
    parser.add_argument("--machine", choices=list(MACHINES), default=this_platform().machine)
    parser.add_argument("--of", type=Of, choices=list(Of), default=Of.PROBE, help="the probe, or the whole tool")
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
