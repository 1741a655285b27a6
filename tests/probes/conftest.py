"""Fixtures of the probe tests: nothing here may ask a real resolver or leave loopback."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brokerproof.probes import path_stages
from brokerproof.probes.kafka_client import serving
from brokerproof.probes.kafka_client.client_process import ClientProcess
from brokerproof.probes.kafka_client.fork_server import Connection, ForkServer
from brokerproof.probes.kafka_client.messages import Order, Prepare
from brokerproof.probes.kafka_client.serving import serve
from tests.probes.authority import Authority

Names = dict[str, tuple[str, ...]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def os_names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the operating system resolves: names put in here, literals, and nothing else."""
    names: Names = {}
    real: Callable[..., Any] = socket.getaddrinfo

    def lookup(host: bytes | str | None, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name[0].isdigit() or ":" in name:
            return real(host, *args, **kwargs)
        if name not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [answer for address in names[name] for answer in real(address, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return names


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Prepare]:
    """What clients a run has made, ahead or not."""
    noted: list[Prepare] = []
    real = ClientProcess.send

    def send(process: ClientProcess, order: Order) -> None:
        if isinstance(order, Prepare):
            noted.append(order)
        real(process, order)

    monkeypatch.setattr(ClientProcess, "send", send)
    return noted


@pytest.fixture(params=["near", "far"])
def distance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Near, or far away, where the probe begins with what comes next before it has the answer to what was before."""
    monkeypatch.setattr(path_stages, "FAR_NS", 0 if request.param == "far" else 60_000_000_000)
    return str(request.param)


@pytest.fixture
def ca_file(authority: Authority) -> Path:
    return authority.ca_file


@pytest.fixture
def client_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client process as a thread, so that what a test puts in the place of something is there for it too."""

    def fork(_server: ForkServer) -> Connection:
        ours, theirs = socket.socketpair()
        ending, other = os.pipe()
        os.close(other)

        def served() -> None:
            with theirs:
                serve(theirs)

        threading.Thread(target=served, daemon=True).start()
        return Connection(ours, ending)

    monkeypatch.setattr(ForkServer, "fork", fork)
    # The limits are of a process that is made for a client, and would stay with this one.
    monkeypatch.setattr(serving, "bound_memory", lambda _most_bytes: None)
