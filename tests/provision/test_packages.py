"""What is found missing, and who is asked to install it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from brokerproof.lab.life import preflight
from tests.provision.machine import script
from tools.provision import packages
from tools.provision.packages import Missing
from tools.provision.step import Runner, SetupError

BENCH: Final = {"kcat", "iperf3", "prometheus-blackbox-exporter"}


class TestWhatIsMissing:
    @pytest.fixture(autouse=True)
    def bare_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight, "_SYSTEM_DIRECTORIES", str(tmp_path / "sbin"))
        monkeypatch.setattr(preflight, "_JVM", tmp_path / "jvm")

    @staticmethod
    def found(
        bin_directory: Path, *, maven: bool = True, venv: bool = True, bench: bool = False, test: bool = False
    ) -> set[str]:
        things = packages.missing({"PATH": str(bin_directory)}, maven=maven, venv=venv, bench=bench, test=test)
        return {thing.package for thing in things}

    def test_a_bare_machine_lacks_everything(self, bin_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr(sys, "executable", "/usr/bin/true")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        assert self.found(bin_directory, bench=True) == {
            *("iproute2", "nftables", "unbound", "util-linux", preflight.java_package()),
            *("procps", "bind9-dnsutils", "openssl", "graphviz", "maven", *BENCH, f"python{version}-venv"),
        }

    def test_only_what_is_wanted_is_asked_for(self, bin_directory: Path) -> None:
        everything = self.found(bin_directory, bench=True)
        assert everything - self.found(bin_directory) == BENCH
        assert everything - self.found(bin_directory, bench=True, maven=False) == {"maven"}

    def test_a_browser_is_asked_for_by_tests_alone_and_any_of_the_family_will_do(
        self, bin_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packages, "_OS_RELEASE", tmp_path / "none")
        only_tests = {"chromium", "prometheus", "prometheus-alertmanager", "openssh-server"}
        assert self.found(bin_directory, test=True) - self.found(bin_directory) == only_tests
        path = {"PATH": str(bin_directory)}
        assert packages.browser(path) is None
        assert packages.browser({**path, "BROKERPROOF_CHROMIUM": "/opt/mine"}) == "/opt/mine"
        script(bin_directory / "google-chrome", "true")
        assert packages.browser(path) == str(bin_directory / "google-chrome")
        assert "chromium" not in self.found(bin_directory, test=True)

    def test_the_library_that_playwright_lacks_is_for_tests_alone(
        self, bin_directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(packages, "_LIBRARIES", (tmp_path,))
        assert "libatomic1" in self.found(bin_directory, test=True)
        assert "libatomic1" not in self.found(bin_directory)
        (tmp_path / "x86_64-linux-gnu").mkdir()
        (tmp_path / "x86_64-linux-gnu" / "libatomic.so.1").touch()
        assert "libatomic1" not in self.found(bin_directory, test=True)

    def test_ubuntu_has_no_chromium_to_install(
        self, bin_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packages, "_OS_RELEASE", tmp_path / "os-release")
        assert "chromium" in self.found(bin_directory, test=True)
        (tmp_path / "os-release").write_text('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n')
        assert "chromium" not in self.found(bin_directory, test=True)

    def test_what_is_there_is_not_asked_for(self, bin_directory: Path) -> None:
        for tool in ("nft", "unbound", "mvn", "java", "ps"):
            script(bin_directory / tool, "echo 'openjdk version \"21\"' >&2")
        assert self.found(bin_directory) == {"iproute2", "util-linux", "bind9-dnsutils", "openssl", "graphviz"}

    def test_a_python_that_is_not_debians_cannot_be_mended_by_a_package(
        self, bin_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
        with pytest.raises(SetupError, match=r"/opt/python/bin/python3 has no ensurepip.*PYTHON="):
            self.found(bin_directory)
        assert self.found(bin_directory, venv=False)


LACKING: Final = (Missing("nft", "nftables"), Missing("unbound", "unbound"), Missing("ip", "iproute2"))


class TestWhoMayInstall:
    @pytest.fixture
    def runner(self, tmp_path: Path, bin_directory: Path) -> Runner:
        script(bin_directory / "apt-get", "exit 0")
        return Runner(tmp_path, tmp_path / "build" / "setup.log", {"PATH": str(bin_directory)})

    @pytest.fixture
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the stand-in for install.sh writes how it was called."""
        called = tmp_path / "called"
        monkeypatch.setattr(packages, "_INSTALL", script(tmp_path / "install.sh", f'echo "$@" >> {called}'))
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        return called

    def test_root_installs(self, runner: Runner, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        packages.install(LACKING, runner)
        assert installed.read_text() == "iproute2 nftables unbound\n"

    def test_sudo_without_a_password_installs(self, runner: Runner, installed: Path, bin_directory: Path) -> None:
        script(bin_directory / "sudo", f'echo "sudo $*" >> {installed}; shift; exec "$@"')
        script(bin_directory / "true", "exit 0")
        packages.install(LACKING, runner)
        script_path = installed.parent / "install.sh"
        assert installed.read_text().splitlines() == [
            "sudo -n true",
            f"sudo -n sh {script_path} iproute2 nftables unbound",
            "iproute2 nftables unbound",
        ]

    @pytest.mark.parametrize("sudo", [None, "echo 'sudo: a password is required' >&2; exit 1"])
    def test_who_may_not_is_given_one_command_to_copy(
        self, runner: Runner, installed: Path, bin_directory: Path, sudo: str | None
    ) -> None:
        if sudo:
            script(bin_directory / "sudo", sudo)
        with pytest.raises(SetupError) as caught:
            packages.install(LACKING, runner)
        said = str(caught.value)
        assert "missing: nft, unbound, ip. This user may install nothing" in said
        command = "apt-get update && apt-get install -y --no-install-recommends iproute2 nftables unbound"
        assert f"    {command}" in said.splitlines()
        assert "    systemctl disable --now unbound" in said.splitlines()
        assert not installed.exists()

    def test_a_machine_without_apt_is_told_what_debian_calls_them(
        self, runner: Runner, installed: Path, bin_directory: Path
    ) -> None:
        (bin_directory / "apt-get").unlink()
        with pytest.raises(SetupError, match=r"There is no apt-get.*calls the packages iproute2 nftables unb"):
            packages.install(LACKING, runner)
        assert not installed.exists()
