"""The vantage ``kubernetes`` against Kubernetes' own API server, controllers and scheduler."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerproof.probes.outcome import Outcome
from brokerproof.topology.models import ClientVantage
from brokerproof.vantages import kubernetes
from brokerproof.vantages.exec import Patience
from brokerproof.vantages.kubernetes import DEADLINE_S, KubernetesVantage
from tests.kubernetes.cluster import Cluster, cluster_in, needs_kubernetes
from tests.vantages.test_exec import alive, eventually
from tests.vantages.test_real_probe import ROOT, connects, plan

pytestmark = [pytest.mark.installed, needs_kubernetes]

PATIENCE = Patience(first_line_ms=60_000, grace_ms=1000, terminate_ms=2000)
OWN_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "apps", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
RULES: list[dict[str, Any]] = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", "get"]},
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]},
]
"""What docs/real-cluster.md states for a pod of its own."""


def role(name: str, rules: list[dict[str, Any]], user: str) -> list[dict[str, Any]]:
    about = {"name": name, "namespace": "apps"}
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": about, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
        },
    ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as made:
        made.make(NAMESPACE, *role("prober", RULES, "prober"))
        made.make({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "orders", "namespace": "apps"}})
        made.add_node("a", OWN_NETWORK)
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where kubectl keeps what it learns of an API
    yield
    assert eventually(lambda: cluster.names("jobs", "apps") == [], 60)
    assert eventually(lambda: cluster.names("pods", "apps") == [], 60)


def settings(cluster: Cluster, user: str = "prober", **more: Any) -> ClientVantage:
    return ClientVantage.model_validate(
        {
            "kind": "kubernetes",
            "config_file": str(cluster.config(user)),
            "namespace": "apps",
            "python": "/usr/bin/python3",
            "probe": "install",
            **more,
        }
    )


def error_of(cluster: Cluster, user: str = "prober", **more: Any) -> str:
    with KubernetesVantage("app", settings(cluster, user, image="any", **more), patience=PATIENCE) as vantage:
        run = vantage.run(plan(1))
    assert not run.outcomes
    return run.error


def test_a_pod_of_its_own_runs_plans_by_the_documented_verbs(cluster: Cluster) -> None:
    more: dict[str, Any] = {"node_selector": {"kubernetes.io/hostname": "a"}, "labels": {"app": "orders"}}
    more["service_account"] = "orders"
    with KubernetesVantage("app", settings(cluster, image="any", **more), patience=PATIENCE) as vantage:
        runs = [vantage.run(plan(1, plan_id)) for plan_id in ("one", "two")]
        told = cluster.kubectl("get", "jobs,pods", "--namespace=apps", "--output=json")
        job, pod = json.loads(told.stdout)["items"]
        pid = vantage.pid
    assert [run.error for run in runs] == ["", ""], runs[0].said
    assert [status for status, _ in connects(runs[1].outcomes)] == ["failed"]
    assert job["spec"]["activeDeadlineSeconds"] == DEADLINE_S
    assert (pod["spec"]["nodeName"], pod["spec"]["serviceAccountName"]) == ("a", "orders")
    assert pod["metadata"]["labels"]["app"] == "orders"
    assert not alive(pid)


@pytest.mark.parametrize(
    ("resource", "verb"), [("jobs", "create"), ("jobs", "get"), ("pods", "list"), ("pods/exec", "create")]
)
def test_without_one_of_these_verbs_it_is_refused(cluster: Cluster, resource: str, verb: str) -> None:
    rules = [
        {**rule, "verbs": [each for each in rule["verbs"] if resource not in rule["resources"] or each != verb]}
        for rule in RULES
    ]
    cluster.make(*role("less", [rule for rule in rules if rule["verbs"]], "less"))
    try:
        assert "forbidden" in error_of(cluster, "less")
    finally:
        assert cluster.kubectl("delete", "role,rolebinding", "less", "--namespace=apps").returncode == 0


def test_a_pod_that_runs_is_used_and_left_as_it_is(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, RULES[-1]]
    cluster.make(*role("nobody", rules, "nobody"))
    made = kubernetes.job_of("x", settings(cluster, image="any"))["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orders-0", "namespace": "apps"}, **made}
    pod["metadata"] = {"name": "orders-0", "namespace": "apps"}
    cluster.make(pod)
    phase = ("get", "pod", "orders-0", "--namespace=apps", "--output=jsonpath={.status.phase}")
    assert eventually(lambda: cluster.kubectl(*phase).stdout == "Running", 60)
    with KubernetesVantage("app", settings(cluster, "nobody", pod="orders-0"), patience=PATIENCE) as vantage:
        run = vantage.run(plan(1))
    assert run.error == "", run.said
    assert cluster.kubectl(*phase).stdout == "Running"
    cluster.kubectl("delete", "pod", "orders-0", "--namespace=apps")


def test_an_interrupt_takes_the_pod_away(cluster: Cluster) -> None:
    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    with (
        KubernetesVantage("app", settings(cluster, image="any"), patience=PATIENCE) as vantage,
        pytest.raises(KeyboardInterrupt),
    ):
        vantage.run(plan(1), interrupt)


@pytest.mark.parametrize(
    ("keeps_s", "deadline_s", "why"),
    [(4, DEADLINE_S, "Complete"), (600, 15, "DeadlineExceeded")],
    ids=["it ends by itself", "its deadline ends it"],
)
def test_after_a_kill_kubernetes_ends_and_removes_it(cluster: Cluster, keeps_s: int, deadline_s: int, why: str) -> None:
    script = (
        "import sys\n"
        "from brokerproof.topology.models import ClientVantage\n"
        "from brokerproof.vantages import kubernetes, own_far_side\n"
        "from brokerproof.vantages.registry import open_vantage\n"
        "from tests.vantages.test_real_probe import plan\n"
        "kubernetes.KEEPS = own_far_side.KEEPS.replace('left = 60', 'left = ' + sys.argv[2])\n"
        "kubernetes.DEADLINE_S, kubernetes.FINISHED_S = int(sys.argv[3]), 5\n"
        "settings = ClientVantage.model_validate_json(sys.argv[1])\n"
        "vantage = open_vantage(settings.kind, 'app', settings)\n"
        "print(vantage.run(plan(1)).error or 'ran', flush=True)\n"
        "sys.stdin.read()\n"
    )
    told = settings(cluster, image="any").model_dump_json()
    command = [sys.executable, "-c", script, told, str(keeps_s), str(deadline_s)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "ran\n"
        owner.kill()
    [name] = cluster.names("jobs", "apps")
    conditions = ("get", name, "--namespace=apps", "--output=jsonpath={.status.conditions[*]['type','reason']}")
    assert eventually(lambda: why in cluster.kubectl(*conditions).stdout, 60)
    assert eventually(lambda: cluster.names("jobs", "apps") == [], 60)


def test_who_may_not_is_told_so_in_the_apis_words(cluster: Cluster) -> None:
    error = error_of(cluster, "nobody")
    assert 'User "nobody" cannot create resource "jobs" in API group "batch" in the namespace "apps"' in error


def test_an_account_that_is_not_there_is_told_by_its_event(cluster: Cluster) -> None:
    assert 'service account apps/payments: serviceaccount "payments" not found' in error_of(
        cluster, service_account="payments"
    )


def test_a_node_that_is_not_there_is_told_by_the_scheduler(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "START_S", 10.0)
    error = error_of(cluster, node_selector={"kubernetes.io/hostname": "b"})
    assert "did not start within 10 s: 0/1 nodes are available" in error


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"labels": {"app": "not a label"}}, "a valid label must be"),
        ({"service_account": "Not_a_name"}, "a lowercase RFC 1123 subdomain"),
    ],
)
def test_what_the_api_refuses_is_an_error_in_its_words(cluster: Cluster, more: dict[str, Any], said: str) -> None:
    assert said in error_of(cluster, **more)
