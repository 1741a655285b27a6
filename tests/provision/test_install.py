"""``install.sh`` with stand-ins for apt, against a policy-rc.d of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.provision.machine import ROOT, script


class TestInstallingPackages:
    """install.sh with stand-ins for apt, against a policy-rc.d of the test's own."""

    @pytest.fixture
    def policy(self, tmp_path: Path) -> Path:
        return tmp_path / "policy-rc.d"

    @pytest.fixture
    def apt(self, bin_directory: Path) -> Path:
        """A log of what apt and its kin were asked, and what policy-rc.d said of two services."""
        log = bin_directory.parent / "apt.log"
        installed = bin_directory.parent / "unbound-is-installed"
        bodies = {
            "apt-get": f"""
                echo "apt-get $*" >> {log}
                case "$*" in
                *" update"*) exit "${{UPDATE_FAILS:-0}}" ;;
                *" install "*)
                  [ -n "${{INSTALL_FAILS:-}}" ] && exit "$INSTALL_FAILS"
                  echo > {installed}
                  for unit in unbound unbound.service ssh; do
                    "$POLICY_RC_D" $unit start
                    echo "$unit $?" >> {log}
                  done
                  if [ -n "${{HANG:-}}" ]; then echo hanging; exec sleep 20; fi ;;
                esac""",
            "dpkg": f'echo "dpkg $*" >> {log}',
            "dpkg-query": f"[ -e {installed} ] && echo installed",
            "update-rc.d": f'echo "update-rc.d $*" >> {log}',
        }
        for name, body in bodies.items():
            script(bin_directory / name, body)
        return log

    @staticmethod
    def command(bin_directory: Path, policy: Path, *more: str, **environ: str) -> tuple[list[str], dict[str, str]]:
        install = ROOT / "tools" / "provision" / "install.sh"
        return (
            ["/bin/sh", str(install), "unbound", "nftables", *more],
            {"PATH": str(bin_directory), "POLICY_RC_D": str(policy), **environ},
        )

    def run(self, bin_directory: Path, policy: Path, *more: str, **environ: str) -> int:
        command, environment_ = self.command(bin_directory, policy, *more, **environ)
        return subprocess.run(command, env=environment_, check=False, timeout=20, capture_output=True).returncode

    def test_unbounds_service_is_refused_and_switched_off(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy) == 0
        lines = apt.read_text().splitlines()
        assert lines[0] == "dpkg --configure -a"
        assert lines[1].endswith(" update")
        assert lines[2].endswith(" install unbound nftables")
        assert lines[3:] == ["unbound 101", "unbound.service 101", "ssh 0", "update-rc.d unbound disable"]
        assert not policy.exists()

    def test_a_server_for_logins_is_neither_started_nor_left_switched_on(
        self, bin_directory: Path, policy: Path, apt: Path
    ) -> None:
        assert self.run(bin_directory, policy, "openssh-server") == 0
        lines = apt.read_text().splitlines()
        assert lines[3:5] == ["unbound 101", "unbound.service 101"]
        assert lines[5:] == ["ssh 101", "update-rc.d unbound disable", "update-rc.d ssh disable"]

    def test_an_unbound_that_was_there_keeps_its_service(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        (policy.parent / "unbound-is-installed").touch()
        assert self.run(bin_directory, policy) == 0
        assert "update-rc.d" not in apt.read_text()

    def test_a_policy_of_the_machine_still_rules_and_comes_back(
        self, bin_directory: Path, policy: Path, apt: Path
    ) -> None:
        own = script(policy, "exit 102").read_text()
        assert self.run(bin_directory, policy) == 0
        assert "unbound 101\nunbound.service 101\nssh 102\n" in apt.read_text()
        assert policy.read_text() == own
        assert os.access(policy, os.X_OK)

    @pytest.mark.parametrize("own", [None, "exit 102"])
    def test_a_failure_is_a_failure_and_leaves_no_policy(
        self, bin_directory: Path, policy: Path, apt: Path, own: str | None
    ) -> None:
        if own:
            script(policy, own)
        assert self.run(bin_directory, policy, INSTALL_FAILS="100") == 100
        assert apt.exists()
        assert self.policies(policy) == ({policy.name} if own else set())
        assert own is None or own in policy.read_text()

    def test_old_package_lists_are_better_than_none(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy, UPDATE_FAILS="100") == 0
        assert " install unbound nftables" in apt.read_text()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_it_leaves_no_service_and_no_policy(
        self, bin_directory: Path, policy: Path, apt: Path, number: signal.Signals
    ) -> None:
        assert self.ended_by(number, bin_directory, policy) == 128 + number
        assert apt.read_text().endswith("update-rc.d unbound disable\n")
        assert not self.policies(policy)

    @pytest.mark.parametrize("own", [None, "exit 102"])
    def test_the_run_after_a_killed_one_puts_everything_right(
        self, bin_directory: Path, policy: Path, apt: Path, own: str | None
    ) -> None:
        if own:
            script(policy, own)
        self.ended_by(signal.SIGKILL, bin_directory, policy)
        assert "brokerproof" in policy.read_text()
        assert "update-rc.d" not in apt.read_text()
        assert self.run(bin_directory, policy) == 0
        assert apt.read_text().endswith("update-rc.d unbound disable\n")
        assert self.policies(policy) == ({policy.name} if own else set())
        assert own is None or own in policy.read_text()

    def ended_by(self, number: signal.Signals, bin_directory: Path, policy: Path) -> int:
        """Signal an installation, and the apt-get it waits for, when unbound is unpacked."""
        command, environ = self.command(bin_directory, policy, HANG="1")
        running = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert running.stdout is not None
        with running.stdout:
            assert running.stdout.readline() == "hanging\n"
            os.killpg(running.pid, number)
            return running.wait(20)

    @staticmethod
    def policies(policy: Path) -> set[str]:
        return {path.name for path in policy.parent.glob("policy-rc.d*")}
