"""A control plane of Kubernetes on loopback: etcd, the API server, its controllers and its scheduler, none a stand-in.

``make kubernetes`` builds them into one program (servers/main.go). A node is a stand-in for a kubelet that runs a pod's
first container as a process with namespaces of its own (servers/node.go); the API server carries exec to it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.fleet.offline.emulator import free_port
from tests.kubernetes.program import PROGRAM

needs_kubernetes = pytest.mark.skipif(
    PROGRAM is None or os.geteuid() != 0 or shutil.which("kubectl") is None,
    reason="needs what `make kubernetes` builds, kubectl, and root",
)
ADMIN: Final = "admin"
_UP_S: Final = 180.0
_DOWN_S: Final = 10.0
_CONTROLLERS: Final = (
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
)


@dataclass
class Cluster:
    """One that answers."""

    folder: Path
    port: int
    tokens: dict[str, str]
    stack: ExitStack = field(default_factory=ExitStack)

    def config(self, user: str = ADMIN) -> Path:
        """What leads kubectl there, as a user."""
        path = self.folder / f"{user}.kubeconfig"
        if not path.exists():
            cluster = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
            document = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": self.tokens[user]}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": user, "namespace": "default"}}],
            }
            path.write_text(json.dumps(document))
        return path

    def kubectl(self, *words: str, sent: object = None, user: str = ADMIN) -> subprocess.CompletedProcess[str]:
        """What it says to these words; ``sent`` is its standard input."""
        text = sent if isinstance(sent, str) else json.dumps(sent)
        command = ["kubectl", f"--kubeconfig={self.config(user)}", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)

    def make(self, *resources: dict[str, Any]) -> None:
        """Create them."""
        for resource in resources:
            done = self.kubectl("create", "--filename=-", sent=resource)
            assert done.returncode == 0, done.stderr

    def names(self, kind: str, namespace: str) -> list[str]:
        """Of what is there."""
        done = self.kubectl("get", kind, f"--namespace={namespace}", "--output=name")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def start(self, called: str, *words: str) -> None:
        """A server, until the cluster ends."""
        self.stack.enter_context(_running(self.folder / f"{called}.log", called, words))

    def add_node(self, name: str, prefix: Sequence[str]) -> None:
        """A node, whose containers are run by a command prefix."""
        options = (f"--kubeconfig={self.config()}", f"--name={name}", f"--port={free_port()}", "--", *prefix)
        self.start("node", *options)
        _wait(lambda: f"node/{name}" in self.names("nodes", "default"), "the node", self.folder / "node.log")


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    """A cluster without nodes."""
    tokens = {user: secrets.token_hex(16) for user in (ADMIN, "prober", "less", "nobody")}
    cluster = Cluster(folder, free_port(), tokens)
    with cluster.stack:
        _start_etcd_and_api(cluster)
        _wait(lambda: cluster.kubectl("get", "--raw=/readyz").returncode == 0, "the API server", folder)
        chosen = ",".join(_CONTROLLERS)
        key = f"--service-account-private-key-file={folder / 'key.pem'}"
        here = (f"--kubeconfig={cluster.config()}", "--leader-elect=false", "--bind-address=127.0.0.1")
        cluster.start("kube-controller-manager", *here, f"--controllers={chosen}", key, f"--secure-port={free_port()}")
        cluster.start("kube-scheduler", *here, f"--secure-port={free_port()}")
        default = ("get", "serviceaccount", "default")
        _wait(lambda: cluster.kubectl(*default).returncode == 0, "the controllers", folder)
        yield cluster


def _start_etcd_and_api(cluster: Cluster) -> None:
    folder, etcd, peers = cluster.folder, free_port(), free_port()
    asked, told = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peers}"
    cluster.start(
        "etcd",
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        *(f"--listen-client-urls={asked}", f"--advertise-client-urls={asked}"),
        *(f"--listen-peer-urls={told}", f"--initial-advertise-peer-urls={told}", f"--initial-cluster=default={told}"),
    )
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pub").write_bytes(public)
    groups = {ADMIN: ',"system:masters"'}
    users = [f"{token},{user},{user}{groups.get(user, '')}\n" for user, token in cluster.tokens.items()]
    (folder / "tokens.csv").write_text("".join(users))
    cluster.start(
        "kube-apiserver",
        f"--etcd-servers={asked}",
        f"--cert-dir={folder / 'certificates'}",
        f"--secure-port={cluster.port}",
        *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"),
        *("--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--service-cluster-ip-range=10.96.0.0/24", "--service-account-issuer=https://kubernetes.default.svc"),
        f"--service-account-key-file={folder / 'key.pub'}",
        f"--service-account-signing-key-file={folder / 'key.pem'}",
        "--kubelet-preferred-address-types=InternalIP",
    )


@contextmanager
def _running(log: Path, called: str, words: Sequence[str]) -> Iterator[None]:
    """A server that ends with this process, whatever becomes of it."""
    assert PROGRAM is not None
    command = ["setpriv", "--pdeathsig", "KILL", "--", str(PROGRAM), called, *words]
    with log.open("wb") as out, subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_DOWN_S)
            process.kill()


def _wait(there: Callable[[], bool], what: str, log: Path) -> None:
    until = time.monotonic() + _UP_S
    while not there():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not come up within {_UP_S:.0f} s; see {log}")
        time.sleep(0.3)
