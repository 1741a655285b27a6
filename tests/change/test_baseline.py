"""A run against an earlier one: the same is accepted, another address is not, unless it was declared."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from brokerproof.change.baseline import against
from brokerproof.change.declaration import NOTHING, Declaration
from brokerproof.change.judgement import Answer
from brokerproof.probes.outcome import ResolveFacts
from brokerproof.reports.document import RESULT_FILE, ResultDocument
from tests.reports.builder import client_result, document
from tests.reports.path import view

pytest_plugins = ["pytester"]
DOCUMENT = document(client_result(view()))


def moved(whole: ResultDocument) -> ResultDocument:
    """The same run, but every name resolves elsewhere."""
    clients = []
    for client in whole.clients:
        outcomes = tuple(
            msgspec.structs.replace(each, facts=msgspec.structs.replace(each.facts, a=("10.9.9.9",)))
            if isinstance(each.facts, ResolveFacts)
            else each
            for each in client.outcomes
        )
        clients.append(msgspec.structs.replace(client, outcomes=outcomes))
    return msgspec.structs.replace(whole, clients=tuple(clients))


def test_the_same_run_is_accepted() -> None:
    judgement = against(DOCUMENT, DOCUMENT, NOTHING)
    assert judgement.answer is Answer.ACCEPTED
    assert any(each.before for each in judgement.compared), "there is something to compare"


def test_a_run_that_differs_is_rejected_unless_it_was_declared() -> None:
    assert against(DOCUMENT, moved(DOCUMENT), NOTHING).answer is Answer.REJECTED
    declared = Declaration.model_validate({"may_differ": {"addresses": "all", "endpoints": "all"}})
    assert against(DOCUMENT, moved(DOCUMENT), declared).answer is Answer.ACCEPTED


def test_runs_without_a_client_in_common_are_not_comparable() -> None:
    nobody = msgspec.structs.replace(DOCUMENT, clients=())
    assert against(nobody, DOCUMENT, NOTHING).answer is Answer.NOT_COMPARABLE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--baseline=nowhere"], "nowhere: cannot be read"),
        (["--declare=x.yaml"], "give --baseline RUN too"),
        ([f"--baseline={RESULT_FILE}", "--declare=x.yaml"], "x.yaml: cannot be read"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_one_sentence(
    pytester: pytest.Pytester, options: list[str], words: str
) -> None:
    (Path(pytester.path) / RESULT_FILE).write_bytes(msgspec.json.encode(DOCUMENT))
    result = pytester.runpytest_inprocess("-p", "brokerproof.scenarios.plugin", "--collect-only", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])
