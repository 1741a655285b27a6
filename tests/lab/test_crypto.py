"""The provider under the TLS of a lab's brokers: fetched once, taken apart, and never in the way."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from brokerproof.lab.daemons import crypto
from brokerproof.lab.daemons.maven import MavenError

MVN = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    -DoutputDirectory=*) to="${word#*=}" ;;
    -Dartifact=*) artifact="${word#*=}" ;;
  esac
done
classifier="${artifact##*:}"
cp "$BROUGHT" "$to/AmazonCorrettoCryptoProvider-2.5.0-$classifier.jar"
"""


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    mvn = bin_directory / "mvn"
    mvn.write_text(MVN)
    mvn.chmod(0o755)
    brought = tmp_path / "brought.jar"
    with zipfile.ZipFile(brought, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "digests")
        jar.writestr("META-INF/PROVIDER.SF", "digests")
        jar.writestr("META-INF/PROVIDER.RSA", "signature")
        jar.writestr("META-INF/services/java.security.Provider", "a.Provider")
        jar.writestr("a/Provider.class", "class")
        jar.writestr("a/libamazonCorrettoCryptoProvider.so", "library")
    path = f"{bin_directory}:{os.environ['PATH']}"
    return {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache"), "BROUGHT": str(brought)}


def test_it_is_fetched_once_and_taken_apart(environ: dict[str, str]) -> None:
    assert not crypto.fetched(environ)
    crypto.fetch(environ)
    assert crypto.fetched(environ)
    folder = crypto.directory(environ)
    with zipfile.ZipFile(crypto.jar(environ)) as jar:
        assert jar.namelist() == ["META-INF/services/java.security.Provider", "a/Provider.class"]
    assert (folder / "libamazonCorrettoCryptoProvider.so").read_text() == "library"
    lines = (folder / "java.security").read_text().splitlines()
    assert lines[1] == "security.provider.2=SUN"
    assert all(str(folder) in option for option in crypto.options(environ) if "=/" in option)
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]
    Path(environ["BROUGHT"]).unlink()
    crypto.fetch(environ)


def test_what_is_no_jar_leaves_nothing(environ: dict[str, str]) -> None:
    Path(environ["BROUGHT"]).write_text("an error page")
    with pytest.raises(MavenError, match="is no jar"):
        crypto.fetch(environ)
    assert list(crypto.directory(environ).parent.iterdir()) == []


def test_without_maven_it_is_said(environ: dict[str, str]) -> None:
    with pytest.raises(MavenError, match="mvn, which fetches AmazonCorrettoCryptoProvider, is not on PATH"):
        crypto.fetch({**environ, "PATH": "/nowhere"})


def test_other_machines_have_none(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    crypto.fetch(environ)
    assert not crypto.fetched(environ)
