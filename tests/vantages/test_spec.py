"""A vantage as a value: what it may say, and that the table opens every kind."""

from __future__ import annotations

import msgspec
import pytest

from vantages.exec import ExecVantage
from vantages.local import LocalVantage
from vantages.spec import VantageKind, VantageSpec, open_vantage

SPECS = {
    VantageKind.LOCAL: (VantageSpec(), LocalVantage),
    VantageKind.EXEC: (VantageSpec(kind=VantageKind.EXEC, command=("true",)), ExecVantage),
}


@pytest.mark.parametrize("kind", VantageKind)
def test_every_kind_opens_and_starts_nothing(kind: VantageKind) -> None:
    spec, kind_class = SPECS[kind]
    with open_vantage(spec, "app") as vantage:
        assert vantage.name == "app"
        assert type(vantage) is kind_class
        assert isinstance(vantage, ExecVantage)
        assert vantage.pid is None


def test_an_exec_spec_reaches_the_command() -> None:
    spec = msgspec.json.decode(
        b'{"kind":"exec","command":["ssh","h","--"],"python":"/opt/py","environment":{"PYTHONPATH":"/srv/a b"}}',
        type=VantageSpec,
    )
    vantage = open_vantage(spec, "app")
    assert isinstance(vantage, ExecVantage)
    assert vantage.command == (
        *("ssh", "h", "--"),
        *("env", "'PYTHONPATH=/srv/a b'", "/opt/py", "-m", "probes", "--serve"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"kind":"exec"}', "an exec vantage needs a command"),
        ('{"kind":"local","command":["ssh","h"]}', "a local vantage takes no command and no settings"),
        ('{"python":"/opt/py"}', "a local vantage takes no command and no settings"),
        ('{"kind":"carrier_pigeon"}', "Invalid enum value 'carrier_pigeon'"),
        ('{"kind":"exec","comand":["ssh"]}', "unknown field `comand`"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.json.decode(text, type=VantageSpec)
