"""What the kernel says of segments that were sent again: those that were lost, and those that the peer had already."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brokerproof.lab.life.preflight import namespace_options

pytestmark = pytest.mark.lab

SCRIPT = """
import socket, subprocess, sys, time
from brokerproof.probes.wire.tcp_info import read_tcp_info, resent_by_peer

def run(*words, feed=""):
    subprocess.run(words, input=feed, text=True, check=True)

run("ip", "link", "set", "lo", "up")
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
client = socket.create_connection(("127.0.0.1", port))
peer, _ = server.accept()
client.send(b"x")
peer.recv(1)
hook = "type filter hook input priority 0;"
run("nft", "-f", "-", feed=f"table ip cut {{\\n chain at {{\\n {hook}\\n tcp {sys.argv[1]} {port} drop\\n }}\\n }}\\n")
client.send(b"y")
time.sleep(0.5)
run("nft", "delete", "table", "ip", "cut")
until = time.monotonic() + 30
while read_tcp_info(client).unacknowledged_segments and time.monotonic() < until:
    time.sleep(0.01)
time.sleep(0.1)
[again] = [again for _, (_, at), again in resent_by_peer() if at == port]
print(again.segments, again.unneeded)
"""


@pytest.mark.parametrize(("dropped", "needed"), [("dport", True), ("sport", False)], ids=["segments", "their ACKs"])
def test_what_the_peer_had_already_is_told_from_what_was_lost(dropped: str, needed: bool) -> None:
    command = ["unshare", *namespace_options(), "--", sys.executable, "-c", SCRIPT, dropped]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    segments, unneeded = map(int, said.split())
    assert segments >= 1
    assert (unneeded == 0) is needed
