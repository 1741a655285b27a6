"""ministack in a virtualenv of its own, bound to loopback, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.image import RUNTIME

PINS: Final = ("ministack==1.5.33", RUNTIME[0], "boto3==1.43.106")
"""ministack pins botocore, so that it cannot live beside the project's own."""
ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "build" / "ministack"
PYTHON: Final = FOLDER / "bin" / "python"
REGION: Final = "us-east-1"
_UP_S: Final = 60
_DOWN_S: Final = 3


@dataclass(frozen=True)
class Emulator:
    """One that answers."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where to."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, account: str) -> dict[str, str]:
        """What leads an AWS SDK there, as somebody of an account: ministack tells accounts by their access keys."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, account: str, region: str = REGION) -> Any:
        """A client of boto3."""
        import boto3  # noqa: PLC0415  an extra

        keys = {"aws_access_key_id": account, "aws_secret_access_key": "none", "region_name": region}
        return boto3.Session(**keys).client(service, endpoint_url=self.url)

    def memory_mb(self) -> float:
        """Resident."""
        with Path(f"/proc/{self.pid}/statm").open(encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def install() -> None:
    """Make the virtualenv, where it is not there as pinned; some 95 MB."""
    mark = FOLDER / "pins.txt"
    if mark.exists() and mark.read_text(encoding="ascii") == "\n".join(PINS):
        return
    sys.stderr.write(f"installing {', '.join(PINS)} below {FOLDER.relative_to(ROOT)}\n")
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS]
    subprocess.run(pip, check=True)
    mark.write_text("\n".join(PINS), encoding="ascii")


@contextlib.contextmanager
def running(log: Path, account: str) -> Iterator[Emulator]:
    """Start it, and end it with the block."""
    install()
    port = free_port()
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": REGION,
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "ministack"],
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield Emulator(port, process.pid)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DOWN_S)
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _UP_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=2),
        ):
            return
        time.sleep(0.2)
    raise RuntimeError(f"ministack did not come up within {_UP_S} s: {log.read_text(errors='replace')[-500:]}")
