"""AWS-LC under the TLS of a lab's brokers, by the Amazon Corretto Crypto Provider.

A broker signs each handshake with RSA 2048, as MSK's do. Java's own code takes 12 ms of processor time for that as long
as it is compiled by C1 alone, and a lab's brokers never run long enough for more. The provider takes 1.1 ms. TLS itself
stays Java's. A lab without it is only slower.

Standard library only: set-up runs this before anything is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from brokerproof.lab.daemons import kafka_dist, maven

WITHOUT: Final = "Handshakes with the lab's brokers take more of the processor without."
"""What it means that it is not there."""

_VERSION: Final = "2.5.0"
_CLASSIFIERS: Final = {"x86_64": "linux-x86_64", "aarch64": "linux-aarch_64"}
"""What it is built for; by :func:`platform.machine`."""
_LIBRARY: Final = "libamazonCorrettoCryptoProvider.so"
_JAR: Final = "provider.jar"
_SECURITY: Final = "java.security"
_SIGNED: Final = (".SF", ".RSA")
_PROVIDERS: Final = (
    "com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider",
    *("SUN", "SunRsaSign", "SunEC", "SunJSSE", "SunJCE", "SunJGSS", "SunSASL"),
    *("XMLDSig", "SunPCSC", "JdkLDAP", "JdkSASL", "SunPKCS11"),
)
"""The provider, then those of OpenJDK's own ``java.security``; one that a Java lacks is passed over."""


def directory(environ: Mapping[str, str]) -> Path:
    """Where it is, or would be."""
    return kafka_dist.cache_directory(environ) / "crypto" / f"{_VERSION}-{platform.machine()}"


def fetched(environ: Mapping[str, str]) -> bool:
    """Whether it is there."""
    return directory(environ).exists()


def fetch(environ: Mapping[str, str]) -> None:
    """Have it there, where it is built for this machine.

    Raises:
        MavenError: it cannot be fetched.
        OSError: it cannot be written.
    """
    classifier = _CLASSIFIERS.get(platform.machine())
    made = directory(environ)
    if classifier is None or made.exists():
        return
    partial = made.with_name(f".{made.name}.{os.getpid()}")
    artifact = f"software.amazon.cryptools:AmazonCorrettoCryptoProvider:{_VERSION}:jar:{classifier}"
    try:
        whole = maven.copy(artifact, partial, environ)
        _take_apart(whole, partial)
        whole.unlink()
        if not made.exists():
            partial.rename(made)
    except zipfile.BadZipFile as failure:
        raise maven.MavenError(f"what Maven brought for {artifact} is no jar: {failure}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take_apart(whole: Path, folder: Path) -> None:
    """The library beside its classes, not unpacked by each broker; classes unsigned, since no archive takes others."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(folder / _JAR, "w") as jar:
        for member in source.infolist():
            name = Path(member.filename).name
            if name == _LIBRARY:
                (folder / _LIBRARY).write_bytes(source.read(member))
            elif name != "MANIFEST.MF" and not name.endswith(_SIGNED):  # which has the digests that the signature is of
                jar.writestr(member, source.read(member))
    lines = (f"security.provider.{number}={name}" for number, name in enumerate(_PROVIDERS, 1))
    (folder / _SECURITY).write_text("\n".join(lines) + "\n", encoding="utf-8")


def jar(environ: Mapping[str, str]) -> Path:
    """Its classes."""
    return directory(environ) / _JAR


def options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a JVM needs beside the classes to use it."""
    folder = directory(environ)
    return (
        f"-Djava.security.properties={folder / _SECURITY}",
        "-Dcom.amazon.corretto.crypto.provider.useExternalLib=true",
        f"-Djava.library.path={folder}",
    )
