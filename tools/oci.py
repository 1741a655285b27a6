"""An OCI image layout: entries of a file system in layers, whose bytes follow from their contents alone.

Source: OCI image format specification 1.0, image layout and layer. What is in an image is the caller's business.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""As Debian and OCI call them."""
_MEDIA: Final = "application/vnd.oci.image."


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
    effort: int = 6
    """zlib's, from 1 to 9; half of what an image takes to make, by 6."""
    layers: list[dict[str, Any]] = field(default_factory=list)
    diff_ids: list[str] = field(default_factory=list)

    def add_layer(self, entries: Mapping[str, Entry]) -> None:
        """A layer of these entries, in the order of their names, without owners and times."""
        text = tar_of(entries)
        self.diff_ids.append(f"sha256:{hashlib.sha256(text).hexdigest()}")
        self.layers.append(self._blob(gzip.compress(text, compresslevel=self.effort, mtime=0), "layer.v1.tar+gzip"))

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
