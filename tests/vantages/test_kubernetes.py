"""The vantage ``kubernetes``: a pod that runs, one of its own, and what is said where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.vantages import kubernetes
from brokerproof.vantages.exec import Patience
from brokerproof.vantages.kubernetes import KubernetesVantage, job_of
from tests.vantages.far_sides import needs_kubectl
from tests.vantages.kube_api import PENDING, RUNNING, Cluster, kube_api, pod, waiting
from tests.vantages.test_exec import alive, eventually
from tests.vantages.test_real_probe import closed_port, plan

__all__ = ["closed_port"]  # a fixture

pytestmark = [pytest.mark.installed, needs_kubectl]
PATIENT = Patience(first_line_ms=60_000, grace_ms=30_000, terminate_ms=500)
"""Nothing here waits for what does not come."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with kube_api(tmp_path) as (found, _):
        yield found


def settings(cluster: Cluster, **more: Any) -> ClientVantage:
    config = str(cluster.home.parent / "kubeconfig")
    return ClientVantage.model_validate(
        {"kind": "kubernetes", "config_file": config, "python": sys.executable, "probe": "install", **more}
    )


def error_of(cluster: Cluster, closed: int, **more: Any) -> str:
    with KubernetesVantage("app", settings(cluster, image="python", **more), patience=PATIENT) as vantage:
        run = vantage.run(plan(closed))
    assert not run.outcomes
    assert cluster.jobs == {}, "what was made is taken away"
    return run.error


def test_a_pod_that_runs_is_used_and_left_as_it_is(cluster: Cluster, closed_port: int) -> None:
    cluster.pods["orders-0"] = pod("orders-0", {}, {"containers": [{"name": "app"}, {"name": "proxy"}]}, [RUNNING])
    with KubernetesVantage("app", settings(cluster, pod="orders-0", container="app"), patience=PATIENT) as vantage:
        runs = [vantage.run(plan(closed_port, plan_id)) for plan_id in ("one", "two")]
    assert [run.error for run in runs] == ["", ""], runs[0].said
    assert len(cluster.executed) == 1, "one process serves both"
    assert cluster.made == []
    assert list(cluster.pods) == ["orders-0"]


def test_a_pod_of_its_own_is_taken_away(cluster: Cluster, closed_port: int) -> None:
    more = {"node_selector": {"zone": "a"}, "labels": {"app": "orders"}, "service_account": "orders"}
    with KubernetesVantage("app", settings(cluster, image="python:3.12-slim", **more), patience=PATIENT) as vantage:
        assert cluster.made == [], "nothing is made before the first plan"
        assert vantage.run(plan(closed_port)).error == ""
        assert len(cluster.jobs) == 1
    assert cluster.jobs == {}
    [job] = cluster.made
    template = job["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"zone": "a"}
    assert template["spec"]["serviceAccountName"] == "orders"
    assert template["metadata"]["labels"]["app"] == "orders"


def test_kubernetes_ends_and_removes_it_whatever_becomes_of_its_owner(cluster: Cluster) -> None:
    spec = job_of("x", settings(cluster, image="python"))["spec"]
    assert spec["activeDeadlineSeconds"] == 6 * 3600
    assert spec["ttlSecondsAfterFinished"] == 60
    assert spec["backoffLimit"] == 0
    pod_spec = spec["template"]["spec"]
    assert pod_spec["restartPolicy"] == "Never"
    assert pod_spec["automountServiceAccountToken"] is False


def test_a_pod_that_is_gone_is_made_anew(cluster: Cluster, closed_port: int) -> None:
    with KubernetesVantage("app", settings(cluster, image="python"), patience=PATIENT) as vantage:
        assert vantage.run(plan(closed_port, "one")).error == ""
        cluster.end()
        assert eventually(lambda: not alive(vantage.pid))
        for each in cluster.pods.values():
            each["states"] = [{"phase": "Failed", "reason": "DeadlineExceeded"}]
        assert vantage.run(plan(closed_port, "two")).error == ""
    assert len(cluster.made) == 2
    assert cluster.jobs == {}


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([waiting("ErrImagePull", "not found")], "the pod of job NAME cannot start: ErrImagePull: not found"),
        ([PENDING, {"phase": "Failed", "reason": "Evicted", "message": "no memory"}], "ended: Evicted: no memory"),
        (
            [
                {
                    "phase": "Failed",
                    "containerStatuses": [
                        {"name": "probe", "state": {"terminated": {"reason": "StartError", "message": "no python3"}}}
                    ],
                }
            ],
            "the pod of job NAME ended: StartError: no python3",
        ),
        ([PENDING], "the pod of job NAME did not start within 2 s: 0/3 nodes are available"),
        ([None], "did not start within 2 s: it has no pod yet"),
    ],
)
def test_a_pod_that_does_not_start_is_an_error_that_says_why(
    cluster: Cluster, closed_port: int, monkeypatch: pytest.MonkeyPatch, states: list[Any], said: str
) -> None:
    monkeypatch.setattr(kubernetes, "START_S", 2.0)
    cluster.states = states
    error = error_of(cluster, closed_port)
    assert said.replace("NAME", cluster.made[0]["metadata"]["name"]) in error


def test_a_job_that_may_not_be_made_is_an_error_in_the_apis_words(cluster: Cluster, closed_port: int) -> None:
    cluster.refuses = 'jobs.batch is forbidden: User "me" cannot create resource "jobs" in the namespace "apps"'
    error = error_of(cluster, closed_port)
    assert "no pod of its own: kubectl ended with exit status 1: " in error
    assert 'User "me" cannot create resource "jobs"' in error


def test_a_pod_that_may_not_be_made_is_told_by_its_event(cluster: Cluster, closed_port: int) -> None:
    cluster.states = [None]
    message = "Error creating: pods is forbidden: exceeded quota"
    cluster.events = [{"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning"}]
    cluster.events[0]["message"] = message
    assert message in error_of(cluster, closed_port)


def test_an_api_that_does_not_answer_is_an_error(cluster: Cluster, closed_port: int) -> None:
    (cluster.home.parent / "kubeconfig").write_text("no configuration")
    assert "no pod of its own: kubectl ended with exit status 1" in error_of(cluster, closed_port)


def test_without_kubectl_it_is_an_error(cluster: Cluster, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "cannot start 'kubectl': No such file or directory" in error_of(cluster, closed_port)


def test_a_pod_or_an_image_is_needed() -> None:
    with pytest.raises(ValueError, match="one of the two"):
        KubernetesVantage("app", ClientVantage(kind=VantageKind.KUBERNETES))
