"""The vantage ``ssh`` over Debian's real sshd: a fresh far side, one connection kept, host keys, jumps, and its end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.vantages.exec import Patience
from brokerproof.vantages.ssh import LOGINS_AT_ONCE, SshVantage, ssh_command
from tests.vantages.owner import owner_of
from tests.vantages.sshd import SshHost, listening, needs_sshd, separation
from tests.vantages.test_exec import eventually
from tests.vantages.test_real_probe import closed_port, connects, plan

__all__ = ["closed_port"]  # a fixture

pytestmark = [needs_sshd, pytest.mark.installed]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[SshHost]:
    with separation():
        yield SshHost(tmp_path)


def running(words: str) -> list[str]:
    """The processes whose command line has these words."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if words in line]


def test_a_fresh_far_side_gets_the_probe_and_keeps_it(far: SshHost, closed_port: int) -> None:
    with SshVantage("app", far.vantage()) as vantage:
        first = vantage.run(plan(closed_port, "one"))
        again = vantage.run(plan(closed_port, "two"))
    for run in (first, again):
        assert run.error == "", run.said
        assert [status for status, _ in connects(run.outcomes)] == ["failed"]
    [installed] = [p for p in (far.folder / "far_cache" / "brokerproof" / "probes").iterdir() if p.name[0] != "."]
    before = (installed / "complete").stat().st_mtime_ns
    with SshVantage("app", far.vantage()) as vantage:
        assert vantage.run(plan(closed_port)).error == ""
    assert (installed / "complete").stat().st_mtime_ns == before, "the bundle was not sent again"


def test_the_connection_is_kept_and_ends_with_the_vantage(far: SshHost, closed_port: int) -> None:
    with SshVantage("app", far.vantage()) as vantage:
        assert vantage.run(plan(closed_port)).error == ""
        folder = vantage._folder
        assert running(f"{folder / 'c'} [mux]"), "a connection is kept"
    assert eventually(lambda: not running(str(folder)))
    assert eventually(lambda: not running(str(far.server)))
    assert not folder.exists()


def test_nothing_of_it_is_left_here_when_its_owner_is_killed(far: SshHost, closed_port: int) -> None:
    with owner_of(far.vantage(), closed_port) as owner:
        assert owner.stdout
        lines = (line.strip() for line in owner.stdout)
        assert "ran" in lines
        folder = next(lines)
        assert Path(folder).exists()
        owner.kill()
    assert eventually(lambda: not Path(folder).exists())
    assert eventually(lambda: not running(folder))


def test_a_vantage_that_runs_nothing_leaves_nothing(far: SshHost) -> None:
    opened = SshVantage("app", far.vantage())
    assert not opened._folder.exists()
    opened.close()


def test_a_host_key_that_is_not_known_is_an_error_in_opensshs_words(far: SshHost, closed_port: int) -> None:
    far.known.write_text("")
    with SshVantage("app", far.vantage()) as vantage:
        run = vantage.run(plan(closed_port))
    assert not run.outcomes
    assert "did not begin: ended with exit status 255: Host key verification failed" in run.error


def test_a_key_that_is_not_authorized_is_an_error(far: SshHost, closed_port: int) -> None:
    (far.folder / "authorized").write_text("")
    with SshVantage("app", far.vantage()) as vantage:
        run = vantage.run(plan(closed_port))
    assert not run.outcomes
    assert "Permission denied" in run.error


def test_a_host_that_does_not_answer_is_an_error(far: SshHost, closed_port: int) -> None:
    far.client.write_text(far.client.read_text().replace("Host far", "Host somewhere"))
    with SshVantage("app", far.vantage(host="127.0.0.1", port=closed_port)) as vantage:
        run = vantage.run(plan(closed_port))
    assert "Connection refused" in run.error


def test_through_a_jump_host(far: SshHost, closed_port: int) -> None:
    with listening(far) as port:
        far.client.write_text(
            far.client.read_text() + f"Host inner\n  HostName 127.0.0.1\n  HostKeyAlias inner\n  Port {port}\n"
        )
        with SshVantage("app", far.vantage(host="inner", jump_hosts=("far",))) as vantage:
            run = vantage.run(plan(closed_port))
    assert run.error == "", run.said
    assert run.closing is not None


def test_a_far_side_that_is_killed_is_an_error_and_the_next_plan_starts_another(far: SshHost, closed_port: int) -> None:
    with SshVantage("app", far.vantage()) as vantage:
        assert vantage.run(plan(closed_port)).error == ""
        subprocess.run(["kill", "-9", str(vantage.pid)], check=True)
        assert eventually(lambda: vantage.run(plan(closed_port, "next")).error == "")


def test_a_server_that_hangs_is_given_up(far: SshHost, closed_port: int) -> None:
    far.client.write_text(far.client.read_text().replace("ProxyCommand ", "ProxyCommand sleep 60; "))
    began = time.monotonic()
    patience = Patience(first_line_ms=1500, grace_ms=300, terminate_ms=500)
    with SshVantage("app", far.vantage(), patience=patience) as vantage:
        run = vantage.run(plan(closed_port))
    assert "did not begin within 1500 ms" in run.error
    assert time.monotonic() - began < 30
    assert eventually(lambda: not running(str(far.client)))


def test_the_command_has_what_the_file_says() -> None:
    settings = ClientVantage(
        kind=VantageKind.SSH, host="h", user="u", port=2222, jump_hosts=("a", "b:22"), identity_file="k", python="py"
    )
    command = ssh_command(settings, Path("/run/c"))
    assert command[-2:] == ("--", "h")
    words = " ".join(command)
    for part in (
        "-J a,b:22",
        "-p 2222",
        "-l u",
        "-i k",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "ControlPath=/run/c",
    ):
        assert part in words
    with pytest.raises(ValueError, match="without a host"):
        ssh_command(ClientVantage(kind=VantageKind.SSH), Path("/run/c"))


LOGS_IN = """#!/bin/sh
case " $* " in *" -O "*) exit 0;; esac
name=$(mktemp -p {under_way})
ls {under_way} | wc -l >> {seen}
sleep 0.2
rm "$name"
echo 'Connection reset' >&2
exit 255
"""
"""A ssh whose every login takes a while and is refused."""


def test_logins_of_many_hosts_are_made_a_few_at_a_time(
    tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, seen = tmp_path / "under way", tmp_path / "seen"
    under_way.mkdir()
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(LOGS_IN.format(under_way=f"'{under_way}'", seen=f"'{seen}'"))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    settings = ClientVantage(kind=VantageKind.SSH, host="h")
    with ExitStack() as stack, ThreadPoolExecutor(3 * LOGINS_AT_ONCE) as threads:
        vantages = [stack.enter_context(SshVantage(f"app-{each}", settings)) for each in range(3 * LOGINS_AT_ONCE)]
        runs = list(threads.map(lambda vantage: vantage.run(plan(closed_port)), vantages))
    assert all("Connection reset" in run.error for run in runs), "each gives its turn back"
    counts = [int(each) for each in seen.read_text().split()]
    assert len(counts) == len(runs)
    assert 1 < max(counts) <= LOGINS_AT_ONCE


def test_a_host_whose_probe_has_begun_keeps_no_other_waiting(far: SshHost, closed_port: int) -> None:
    with ExitStack() as stack:
        for each in range(LOGINS_AT_ONCE + 1):
            vantage = stack.enter_context(SshVantage(f"app-{each}", far.vantage()))
            assert vantage.run(plan(closed_port)).error == ""
