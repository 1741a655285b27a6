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
        """apt-get that asks policy-rc.d whether two services may start, as their packages do."""
        log = bin_directory.parent / "apt.log"
        for name, body in {
            "apt-get": (
                f'echo "apt-get $*" >> {log}\ncase "$*" in\n'
                '*" update"*) exit "${UPDATE_FAILS:-0}" ;;\n*" install "*)\n'
                'for unit in unbound unbound.service ssh; do "$POLICY_RC_D" $unit start; '
                f'echo "$unit $?" >> {log}; done\n'
                'if [ -n "${HANG:-}" ]; then echo hanging; exec sleep 20; fi\n'
                "touch_unbound\n"
                'exit "${INSTALL_FAILS:-0}" ;;\nesac'
            ),
            "touch_unbound": f"cat /dev/null > {bin_directory}/unbound; chmod 755 {bin_directory}/unbound",
            "dpkg": f'echo "dpkg $*" >> {log}',
            "dpkg-query": '[ -n "${WAS:-}" ] && printf "$WAS"',
            "update-rc.d": f'echo "update-rc.d $*" >> {log}',
        }.items():
            script(bin_directory / name, body)
        return log

    @staticmethod
    def command(bin_directory: Path, policy: Path, **environ: str) -> tuple[list[str], dict[str, str]]:
        install = ROOT / "brokerproof" / "provision" / "install.sh"
        return (
            ["/bin/sh", str(install), "unbound", "nftables"],
            {"PATH": str(bin_directory), "POLICY_RC_D": str(policy), **environ},
        )

    def run(self, bin_directory: Path, policy: Path, **environ: str) -> int:
        command, environment_ = self.command(bin_directory, policy, **environ)
        return subprocess.run(command, env=environment_, check=False, timeout=20, capture_output=True).returncode

    def test_unbounds_service_is_refused_and_switched_off(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy) == 0
        lines = apt.read_text().splitlines()
        assert lines[0] == "dpkg --configure -a"
        assert lines[1].endswith(" update")
        assert lines[2].endswith(" install unbound nftables")
        assert lines[3:] == ["unbound 101", "unbound.service 101", "ssh 0", "update-rc.d unbound disable"]
        assert not policy.exists()

    def test_an_unbound_that_was_there_keeps_its_service(self, bin_directory: Path, policy: Path, apt: Path) -> None:
        assert self.run(bin_directory, policy, WAS="installed") == 0
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

    @pytest.mark.parametrize("own", [None, "exit 102"])
    def test_the_run_after_a_killed_one_puts_the_policy_right(
        self, bin_directory: Path, policy: Path, apt: Path, own: str | None
    ) -> None:
        if own:
            script(policy, own)
        command, environ = self.command(bin_directory, policy, HANG="1")
        killed = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert killed.stdout is not None
        with killed.stdout:
            assert killed.stdout.readline() == "hanging\n"
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
        assert "brokerproof" in policy.read_text()
        assert self.run(bin_directory, policy) == 0
        assert apt.exists()
        assert self.policies(policy) == ({policy.name} if own else set())
        assert own is None or own in policy.read_text()

    @staticmethod
    def policies(policy: Path) -> set[str]:
        return {path.name for path in policy.parent.glob("policy-rc.d*")}
