"""A lab's name, held by somebody who is not its user: nothing is attached to, listed, asked or run there."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from brokerproof.lab.errors import LabError
from brokerproof.lab.life import lab_socket
from brokerproof.lab.life.handle import Lab
from brokerproof.topology.files import dumps
from brokerproof.topology.patterns import PATTERNS, PatternOptions

NOBODY = 65534
Hold = Callable[[str, int], int]


def _answer(listener: socket.socket) -> None:
    """What a lab answers, so that only the user tells this process from one."""
    topology = PATTERNS["in_vpc"].build(PatternOptions(brokers=1)).model_dump(mode="json")
    status = {"built": True, "unknown": "", "topology": topology, "intended": topology, "clients": {"a": "c-a"}}
    while True:
        connection, _ = listener.accept()
        if connection.makefile("rb").readline():
            connection.sendall(json.dumps({"done": status}).encode() + b"\n")


@pytest.fixture
def name() -> str:
    return f"held-{os.getpid()}-{secrets.token_hex(2)}"


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Processes that listen at an address, as any user."""
    children: list[int] = []

    def start(address: str, uid: int) -> int:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if uid != os.getuid():
                    os.setgroups([])
                    os.setresgid(uid, uid, uid)
                    os.setresuid(uid, uid, uid)
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                listener.bind(address)
                listener.listen(8)
                os.write(writing, b"x")
                _answer(listener)
            finally:
                os._exit(1)
        children.append(child)
        os.close(writing)
        assert os.read(reading, 1) == b"x", "it could not listen"
        os.close(reading)
        return child

    yield start
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
def test_a_name_held_by_another_user_is_not_attached_to(name: str, hold: Hold) -> None:
    child = hold(lab_socket.socket_name(name), NOBODY)
    with pytest.raises(
        LabError, match=rf"'{name}' is held by process {child} of user nobody, not by a lab of user root"
    ):
        Lab.attach(name)


@needs_root
def test_a_name_held_by_another_user_is_not_listed(name: str, hold: Hold) -> None:
    hold(lab_socket.socket_name(name), NOBODY)
    assert name not in lab_socket.running_labs()


@needs_root
def test_a_name_held_by_another_user_is_not_taken_for_ones_own_lab(name: str, hold: Hold) -> None:
    """A lab just started finds its process by the name; meanwhile it may be another's."""
    child = hold(lab_socket.socket_name(name), NOBODY)
    topology = PATTERNS["in_vpc"].build(PatternOptions(brokers=1))
    ours, theirs = socket.socketpair()
    with theirs:
        lab = Lab(name, ours, 0, None)
        status = {"topology": topology.model_dump(mode="json"), "clients": {}, "unknown": ""}
        with pytest.raises(LabError, match=f"held by process {child}"):
            lab._adopt({**status, "intended": status["topology"]})
        lab.close()
    assert lab.pid == 0


@needs_root
def test_starting_a_lab_says_who_holds_its_name(name: str, hold: Hold) -> None:
    child = hold(lab_socket.socket_name(name), NOBODY)
    with pytest.raises(LabError, match=f"held by process {child} of user nobody"):
        Lab._spawn(name)


def test_ones_own_is_attached_to_and_listed(name: str, hold: Hold) -> None:
    """Otherwise the other tests would pass of a lab that nobody can attach to."""
    child = hold(lab_socket.socket_name(name), os.getuid())
    assert name in lab_socket.running_labs()
    lab = Lab.attach(name)
    assert lab.pid == child
    assert dumps(lab.topology) == dumps(PATTERNS["in_vpc"].build(PatternOptions(brokers=1)))
    lab.close()


def test_another_users_lab_is_named_and_not_attached_to(name: str, hold: Hold) -> None:
    other = os.getuid() + 4242
    hold(f"\0brokerproof/{other}/{name}", os.getuid())
    with pytest.raises(LabError, match=f"no lab named '{name}'.*user {other} may have one, which only they"):
        Lab.attach(name)
