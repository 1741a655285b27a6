"""What a tried change does to paths, from the checks before and after; no lab."""

from __future__ import annotations

import pytest

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.lab.twin import as_twin
from brokerproof.probes.outcome import Stage
from brokerproof.running.trying import Path, Tried, compared
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.patterns.options import CA_FILE

PASSED, FAILED, BLOCKED, UNSEEN = Verdict.PASSED, Verdict.FAILED, Verdict.BLOCKED, Verdict.NOT_SEEN
PATH = Path(client="app", subject="broker-1")


def checks(*verdicts: Verdict, isolation: bool = False) -> list[Check]:
    return [
        Check(
            check_id=f"c{number}",
            client="app",
            stage=Stage.CONNECT,
            subject=Subject.BROKER,
            broker_id=1,
            verdict=verdict,
            title="connects",
            isolation=isolation,
        )
        for number, verdict in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ((PASSED, PASSED), (PASSED, PASSED), "works"),
        ((PASSED, PASSED), (PASSED, FAILED), "breaks"),
        ((PASSED, PASSED), (PASSED, BLOCKED), "breaks"),
        ((), (FAILED,), "breaks"),
        ((), (PASSED,), "works"),
        ((FAILED, BLOCKED), (PASSED, PASSED), "mends"),
        ((FAILED,), (FAILED,), "fails"),
        ((PASSED,), (), "gone"),
        ((PASSED,), (PASSED, UNSEEN), "unknown"),
        ((PASSED,), (FAILED, UNSEEN), "breaks"),
        ((UNSEEN,), (PASSED,), "unknown"),
        ((UNSEEN,), (FAILED,), "unknown"),
    ],
)
def test_each_path_is_in_one_of_them(before: tuple[Verdict, ...], after: tuple[Verdict, ...], where: str) -> None:
    assert compared(checks(*before), checks(*after)) == Tried(**{where: (PATH,)})


def test_what_must_not_be_open_is_a_path_of_its_own() -> None:
    found = compared(checks(PASSED, isolation=True), checks(FAILED, isolation=True))
    assert found.breaks == (Path(client="app", subject="connects"),)


def test_a_twin_has_the_labs_clients_and_certificate_authority() -> None:
    topology = PATTERNS["in_vpc"].build()
    far = ClientVantage(kind=VantageKind.SSH, host="bastion")
    [client] = topology.clients
    account = topology.model_copy(update={"clients": (client.model_copy(update={"ca_file": None, "vantage": far}),)})
    [twin] = as_twin(account).clients
    assert (twin.ca_file, twin.vantage.kind) == (CA_FILE, VantageKind.LAB)
