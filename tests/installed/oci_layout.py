"""An OCI image layout, read as a container engine does."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any


def blob(layout: Path, digest: str) -> Path:
    """Where a blob is."""
    return layout / "blobs" / digest.replace(":", "/")


def manifest(layout: Path) -> dict[str, Any]:
    """Of its only image."""
    [entry] = json.loads((layout / "index.json").read_text())["manifests"]
    found: dict[str, Any] = json.loads(blob(layout, entry["digest"]).read_text())
    return found


def configuration(layout: Path) -> dict[str, Any]:
    """Likewise."""
    found: dict[str, Any] = json.loads(blob(layout, manifest(layout)["config"]["digest"]).read_text())
    return found


def unpacked(layout: Path, folder: Path) -> Path:
    """Its file system."""
    for layer in manifest(layout)["layers"]:
        with tarfile.open(blob(layout, layer["digest"])) as tar:
            tar.extractall(folder, filter="fully_trusted")
    return folder
