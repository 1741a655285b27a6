"""The Helm chart against Kubernetes' own API server: each mode is admitted, and its pods where pods are restricted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.test_helm import KINDS, pod_of, rendered
from tests.kubernetes.cluster import Cluster, cluster_in, needs_kubernetes
from tests.kubernetes.test_vantage import NAMESPACE

pytestmark = [pytest.mark.installed, needs_kubernetes]

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
DRY = ("--server-side", "--dry-run=server", "--namespace=apps", "--filename=-")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as made:
        made.make(NAMESPACE)
        assert made.kubectl("wait", "--for=create", "serviceaccount/default", "--namespace=apps").returncode == 0
        yield made


@pytest.mark.parametrize("mode", KINDS)
def test_a_mode_is_admitted(cluster: Cluster, tmp_path: Path, mode: str) -> None:
    for resource in rendered(tmp_path, mode):
        done = cluster.kubectl("apply", *DRY, sent=resource)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("serverside-applied (server dry run)\n")
        assert done.stderr == "", "the API server warns of nothing"


@pytest.mark.parametrize("mode", KINDS)
def test_its_pod_is_admitted_where_pods_are_restricted(cluster: Cluster, tmp_path: Path, mode: str) -> None:
    template = pod_of(rendered(tmp_path, mode))
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": template}
    done = cluster.kubectl("create", "--dry-run=server", "--namespace=apps", "--filename=-", sent=pod)
    assert done.returncode == 0, done.stderr
    unsafe = {**template, "hostNetwork": True}
    refused = cluster.kubectl(
        "create", "--dry-run=server", "--namespace=apps", "--filename=-", sent={**pod, "spec": unsafe}
    )
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


@pytest.mark.parametrize("name", [path.name for path in sorted(MANIFESTS.glob("*.yaml"))])
def test_a_manifest_of_a_canary_is_admitted(cluster: Cluster, name: str) -> None:
    done = cluster.kubectl("apply", *DRY, sent=(MANIFESTS / name).read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "the API server warns of nothing"


def test_what_is_no_pod_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    job = rendered(tmp_path, "job")[-1]
    job["spec"]["template"]["spec"]["restartPolicy"] = "Sometimes"
    done = cluster.kubectl("apply", *DRY, sent=job)
    assert done.returncode != 0
    assert 'Unsupported value: "Sometimes"' in done.stderr
