"""The commands: discover, audit, and what they end with; against the endpoint, as a user has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from brokerproof.aws.answers.hook import Account, Manners, denied
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.answers.server import SECRET, Endpoint, key_of
from brokerproof.aws.intent.files import dumps_intent, load_intent, loads_intent
from brokerproof.cli.main import main
from brokerproof.lab.faults import FAULTS
from brokerproof.running.account import load_target_or_account
from brokerproof.running.site import TargetError
from brokerproof.topology.files import dumps, load
from brokerproof.topology.models import ClientVantage, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS

pytestmark = pytest.mark.slow


HOME = "111111111111"
INTENDED = PATTERNS["peering"].build()


class Account1:
    """What answers at the moment."""

    topology: Topology = INTENDED
    manners = Manners()


class _Changing(Account):
    """Answers by whatever the tests have set."""

    def __init__(self) -> None:
        super().__init__(lambda: Account1.topology)

    def answer(
        self, account: str, region: str, operation: tuple[str, str], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        now = Account(lambda: Account1.topology, Account1.manners)
        return now.answer(account, region, operation, params)


@pytest.fixture
def intent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    server = Endpoint(_Changing(), HOME)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in (
        ("AWS_ENDPOINT_URL", server.url),
        ("AWS_ACCESS_KEY_ID", key_of(HOME)),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(name, value)
    path = tmp_path / "intent.yaml"
    path.write_text(dumps_intent(intent_of(INTENDED)))
    yield path
    server.shutdown()
    server.server_close()
    thread.join()


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_an_intent_is_read_back_as_it_was_written(intent: Path) -> None:
    assert load_intent(intent) == intent_of(INTENDED)
    assert loads_intent(dumps_intent(intent_of(INTENDED)), source="x") == intent_of(INTENDED)


def test_discover_writes_the_topology(intent: Path) -> None:
    target = intent.with_name("topology.yaml")
    found = run("discover", intent, "-o", target)
    assert found.exit_code == 0, found.output
    assert load(target) == as_seen(INTENDED)


def test_discover_names_what_is_unknown(intent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account1, "manners", Manners(refused=denied(("ec2", "DescribeRouteTables"))))
    found = run("discover", intent, "-o", intent.with_name("topology.yaml"))
    assert found.exit_code == 0
    assert "unknown: route_tables: ec2:DescribeRouteTables in account 111111111111" in found.stderr
    audited = run("audit", intent)
    assert audited.exit_code == 3
    assert "UNKNOWN  ec2:DescribeRouteTables" in audited.stdout
    assert "audit.permission_gap" in audited.stdout


def test_audit_of_an_account_ends_with_1_where_something_is_wrong(
    intent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = run("audit", intent)
    assert clean.exit_code == 0, clean.output
    assert "nothing is wrong" in clean.stdout
    monkeypatch.setattr(Account1, "topology", FAULTS["route-missing-client"].edit(INTENDED))
    broken = run("audit", intent)
    assert broken.exit_code == 1
    assert "WRONG  The client subnet's route table has no route towards the brokers" in broken.stdout
    assert "the configuration proves it: route.missing_client" in broken.stdout
    assert "ec2:DescribeRouteTables rtb-b-1" in broken.stdout
    assert "{" not in broken.stdout
    told = json.loads(run("audit", intent, "--format", "sarif").stdout)
    assert [r["ruleId"] for r in told["runs"][0]["results"]] == ["route.missing_client"]
    found = json.loads(run("audit", intent, "--format", "json").stdout)
    assert found["findings"][0]["clients"] == ["peered"]


def test_audit_of_a_file_takes_it_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(dumps(INTENDED))
    found = run("audit", path, "--traces")
    assert found.exit_code == 0, found.output
    assert "peering pcx-cluster-b is active" in found.stdout


def test_what_was_meant_is_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(dumps(PATTERNS["combination"].build()))
    assert run("audit", path).exit_code == 1
    assert run("audit", path, "--intended", path).exit_code == 0


def test_discover_keeps_the_answers_and_reads_them_again(intent: Path) -> None:
    folder, again = intent.with_name("answers"), intent.with_name("again.yaml")
    kept = run("discover", intent, "-o", intent.with_name("topology.yaml"), "--record", folder)
    assert kept.exit_code == 0, kept.output
    assert "look through them before you give them away" in kept.stderr
    replayed = run("discover", "--replay", folder, "-o", again)
    assert replayed.exit_code == 0, replayed.output
    assert len(load(again).security_groups) == len(as_seen(INTENDED).security_groups)
    assert "unknown:" not in replayed.stderr
    assert run("discover", intent, "--replay", folder).exit_code == 2
    audited = run("audit", intent, "--format", "json")
    files = [path for path in intent.parent.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if SECRET in path.read_text()] == [], "what the account is read with"
    assert SECRET not in kept.output + replayed.output + audited.output


def test_discover_refuses_a_topology(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(dumps(INTENDED))
    refused = run("discover", path)
    assert refused.exit_code == 2
    assert "is no intent" in refused.output
    assert run("discover").exit_code == 2


def test_the_policy_is_printed_alone() -> None:
    assert json.loads(run("discover", "--policy").stdout)["Version"] == "2012-10-17"


def test_a_target_may_be_an_intent(intent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetError, match="has no vantage"):
        load_target_or_account(intent)
    vantage = ClientVantage(kind=VantageKind.EXEC, command=("true",))
    clients = tuple(client.model_copy(update={"vantage": vantage}) for client in INTENDED.clients)
    intent.write_text(dumps_intent(intent_of(INTENDED.model_copy(update={"clients": clients}))))
    topology, audit = load_target_or_account(intent)
    assert audit is not None
    assert audit.findings == ()
    assert all(client.vantage == vantage for client in topology.clients)
