"""A probe that installs itself: once, by its hash, into the far side's cache; and what is said where it cannot."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.vantages import bundle, installing
from brokerproof.vantages.bundle import BundleError, FarPlatform, bundle_for, this_platform
from brokerproof.vantages.exec import ExecVantage, Patience, installs
from tests.vantages.test_real_probe import closed_port, plan

pytestmark = pytest.mark.slow


__all__ = ["closed_port"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
SOON = Patience(first_line_ms=8000, grace_ms=300, terminate_ms=500)


def bare(folder: Path) -> tuple[str, ...]:
    """A far side that has this Python and nothing of this project."""
    return ("env", "-i", f"XDG_CACHE_HOME={folder / 'cache'}", f"HOME={folder}", f"PATH={os.environ['PATH']}")


def run(folder: Path, closed: int, prefix: Sequence[str] = (), patience: Patience | None = None) -> str:
    command = (*bare(folder), *prefix)
    with ExecVantage("app", command, python=sys.executable, install=True, patience=patience) as vantage:
        ran = vantage.run(plan(closed))
    assert not ran.error or not ran.outcomes, "an error of the vantage says nothing of a path"
    return ran.error


def probes(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "brokerproof" / "probes").glob("*"))


def test_packages_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [line.split(">")[0] for line in project["optional-dependencies"]["probe"]]
    assert list(bundle.PACKAGES) == named


def test_the_same_contents_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = bundle_for(this_platform()), bundle_for(this_platform(), environ={"XDG_CACHE_HOME": str(tmp_path)})
    assert one.path != two.path
    assert one.sha256 == two.sha256
    with zipfile.ZipFile(one.path) as archive:
        names = archive.namelist()
    assert "brokerproof/probes/__main__.py" in names
    assert not [name for name in names if name.endswith("/RECORD")], "which tells where it was installed"
    assert not [n for n in names if n.startswith(("/", "..", "brokerproof/lab")) or "__pycache__" in n]


def test_of_hosts_that_want_it_at_the_same_time_one_has_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    make = bundle._make

    def counted(folder: Path, far: FarPlatform, besides: bundle.Files) -> Path:
        made.append(folder)
        return make(folder, far, besides)

    monkeypatch.setattr(bundle, "_make", counted)
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: bundle_for(this_platform(), environ=cache), range(4)))
    assert len(made) == 1
    assert len(set(found)) == 1
    assert found[0].read() is found[1].read()


def test_it_has_what_a_login_by_iam_needs(tmp_path: Path) -> None:
    """Without packages of the far side's own (``-S``): a token is signed, and a role could be asked for."""
    with zipfile.ZipFile(bundle_for(this_platform()).path) as archive:
        archive.extractall(tmp_path / "there")
    (tmp_path / "aws").write_text("[lab]\naws_access_key_id = AKIA0000000000000000\naws_secret_access_key = none\n")
    script = (
        "import sys\n"
        "from brokerproof.probes.msk_token import TokenSource\n"
        "from brokerproof.probes.plan import Authentication, AuthenticationScheme\n"
        "wanted = Authentication(scheme=AuthenticationScheme.IAM, profile='lab', credentials_file=sys.argv[1])\n"
        "token = TokenSource(wanted).token('b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com')\n"
        "print(token.facts.region_name, len(token.value) > 100)\n"
        "from botocore.session import Session\n"
        "for service in ('sts', 'sso', 'sso-oidc'):\n"
        "    Session().create_client(service, region_name='us-east-1')\n"
        "print('clients')\n"
    )
    command = [sys.executable, "-S", "-c", script, str(tmp_path / "aws")]
    variables = {"PYTHONPATH": str(tmp_path / "there"), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.stdout.split() == ["us-east-1", "True", "clients"], done.stderr[-500:]


def test_a_bare_far_side_takes_it_once(tmp_path: Path, closed_port: int) -> None:
    assert run(tmp_path, closed_port) == ""
    [folder] = probes(tmp_path)
    assert (folder / "complete").exists()
    before = (folder / "complete").stat().st_mtime_ns
    assert run(tmp_path, closed_port) == ""
    assert probes(tmp_path) == [folder]
    assert (folder / "complete").stat().st_mtime_ns == before


def test_half_of_it_from_before_is_not_used(tmp_path: Path, closed_port: int) -> None:
    half = tmp_path / "cache" / "brokerproof" / "probes" / bundle_for(this_platform()).sha256
    (half / "brokerproof").mkdir(parents=True)
    assert "cannot be put here" in run(tmp_path, closed_port), "what somebody else began is left alone, and said"
    shutil.rmtree(half)
    assert run(tmp_path, closed_port) == ""


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path, closed_port: int) -> None:
    small = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
    error = run(tmp_path, closed_port, small)
    assert "the probe cannot be put here: " in error
    assert "File too large" in error
    assert probes(tmp_path) == []


def test_what_arrives_damaged_is_not_run(tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bundle_for(this_platform())
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(real.path.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(installing, "bundle_for", lambda _: bundle.Bundle(damaged, real.sha256, damaged.stat().st_size))
    assert "the bundle arrived damaged: its SHA-256 is" in run(tmp_path, closed_port)
    assert probes(tmp_path) == []


def test_a_bundle_that_ends_early_is_said(tmp_path: Path) -> None:
    program = [*bare(tmp_path), sys.executable, "-c", installing.PROGRAM]
    done = subprocess.run(program, input=b"use " + b"0" * 64 + b" 1000\nhalf", capture_output=True, check=False)
    assert b"brokerproof cannot the probe cannot be put here: the bundle ended after 4 of 1000 bytes" in done.stdout
    assert done.returncode == 1
    assert probes(tmp_path) == []
    silent = subprocess.run(program, input=b"", capture_output=True, check=False)
    assert (silent.returncode, silent.stderr) == (0, b""), "nobody wants it any more"


def test_an_old_python_is_one_sentence(tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "PROGRAM", installing.PROGRAM.replace("NEEDS = (3, 11)", "NEEDS = (99, 0)"))
    error = run(tmp_path, closed_port)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"vantage app: Python {version} at {sys.executable} is too old for the probe; it needs 99.0" in error


def test_the_program_is_of_any_python_3(tmp_path: Path) -> None:
    (tmp_path / "far.py").write_text(installing.PROGRAM)
    assert compileall.compile_file(tmp_path / "far.py", quiet=2)
    for word in ('(f"', ' f"', ":=", "match ", "from __future__"):
        assert word not in installing.PROGRAM, "an old Python could not even say that it is old"


def test_no_python_at_all_is_said(closed_port: int) -> None:
    with ExecVantage("app", ("sh", "-c", 'exec "$@"', "sh"), python="no-such-python", install=True) as vantage:
        error = vantage.run(plan(closed_port)).error
    assert "did not begin: ended with exit status 127" in error
    assert "not found" in error


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'brokerproof here {}'; sleep 60", "says of itself what cannot be read"),
        ("echo 'brokerproof here []'; sleep 60", "says of itself what cannot be read"),
        ("echo rubbish; exit 7", "did not begin: ended with exit status 7: rubbish"),
        ("kill -9 $$", "did not begin: was killed by SIGKILL"),
        ("head -c 3000000 /dev/zero; sleep 60", "did not begin"),
    ],
)
def test_a_far_side_that_is_something_else_is_an_error(script: str, words: str, closed_port: int) -> None:
    with ExecVantage("app", ("sh", "-c", script), python="x", install=True, patience=SOON) as vantage:
        assert words in vantage.run(plan(closed_port)).error


def test_a_far_side_that_never_begins_is_waited_for_no_longer_than_that(closed_port: int) -> None:
    patience = Patience(first_line_ms=700, grace_ms=300, terminate_ms=500)
    script = ("sh", "-c", "echo welcome; sleep 60")
    with ExecVantage("app", script, python="x", install=True, patience=patience) as vantage:
        assert "did not begin within 700 ms" in vantage.run(plan(closed_port)).error


def test_a_banner_before_it_is_no_fault(tmp_path: Path, closed_port: int) -> None:
    assert run(tmp_path, closed_port, ("sh", "-c", 'echo Welcome; exec "$@"', "sh")) == ""


def test_another_python_is_asked_of_pip_and_too_old_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"needs Python 3\.11 or newer, not 3\.9"):
        bundle_for(FarPlatform("3.9", "x86_64"))
    with pytest.raises(BundleError, match=r"brokerproof probe bundle --python 3\.12 --machine no-such-machine"):
        bundle_for(FarPlatform("3.12", "no-such-machine"), environ={"XDG_CACHE_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("settings", "is_put"),
    [
        ({}, True),
        ({"probe": "present"}, False),
        ({"python": "venv/bin/python"}, False),
        ({"environment": {"PYTHONPATH": "probes"}}, False),
        ({"environment": {"PYTHONPATH": "probes"}, "probe": "install"}, True),
        ({"environment": {"HTTP_PROXY": "x"}}, True),
    ],
)
def test_where_the_probes_place_is_stated_it_is_present(settings: dict[str, object], is_put: bool) -> None:
    said = ClientVantage.model_validate({"kind": VantageKind.EXEC, "command": ("x",), **settings})
    assert installs(said) is is_put
