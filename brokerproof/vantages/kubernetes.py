"""The vantage ``kubernetes``: in a pod that runs, or in one of its own, by the user's own kubectl.

A pod of its own is that of a Job, so that Kubernetes itself ends it and removes it, whatever becomes of this process.
What runs in the pod is :mod:`brokerproof.vantages.exec`'s business.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from brokerproof.vantages.exec import ExecSettings, Patience
from brokerproof.vantages.own_far_side import HOME, KEEPS, NOBODY, FarSideError, OwnFarSide, called, drawn_name
from brokerproof.wording import one_line

START_S: Final = 180.0
"""For a node to be found, an image to be pulled and the pod to be started."""
DEADLINE_S: Final = 6 * 3600
"""After which Kubernetes ends the pod (``activeDeadlineSeconds``); a watch that goes on has another started."""
FINISHED_S: Final = 60
"""After which Kubernetes removes what has ended (``ttlSecondsAfterFinished``)."""
_ASK_AGAIN_S: Final = 0.5
_FATAL: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""What a container waits for that does not pass (the kubelet's reasons)."""
_CONTAINER: Final = "probe"


class KubernetesSettings(ExecSettings, Protocol):
    """What a topology file says of such a vantage."""

    @property
    def pod(self) -> str | None:
        """A pod that runs, as ``kubectl exec`` takes it: ``NAME`` or ``deployment/NAME``."""
        ...

    @property
    def container(self) -> str | None:
        """Of that pod; None is its first, or the one that it names as its default."""
        ...

    @property
    def image(self) -> str | None:
        """Instead of a pod that runs: what one of its own is made of; it has Python."""
        ...

    @property
    def namespace(self) -> str | None:
        """None is that of the context."""
        ...

    @property
    def context(self) -> str | None:
        """Of kubectl's configuration; None is its current one."""
        ...

    @property
    def config_file(self) -> str | None:
        """Instead of the user's configuration of kubectl."""
        ...

    @property
    def node_selector(self) -> Mapping[str, str]:
        """Of the pod of its own."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Likewise: network policies and security groups for pods go by them."""
        ...

    @property
    def service_account(self) -> str | None:
        """Likewise: AWS roles and security groups for pods go by it."""
        ...


def open_vantage(client: str, settings: KubernetesSettings) -> KubernetesVantage:
    """The vantage of a client in a pod.

    Raises:
        ValueError: neither a pod nor an image is given, or both are.
    """
    return KubernetesVantage(client, settings)


def kubectl(settings: KubernetesSettings) -> tuple[str, ...]:
    """The command, and which cluster and namespace it is for."""
    places = (
        ("--kubeconfig", settings.config_file),
        ("--context", settings.context),
        ("--namespace", settings.namespace),
    )
    return ("kubectl", *(f"{option}={value}" for option, value in places if value))


def job_of(name: str, settings: KubernetesSettings) -> dict[str, Any]:
    """The Job of a pod of its own, within the restricted Pod Security Standard."""
    account = {"serviceAccountName": settings.service_account} if settings.service_account else {}
    labels = {"app.kubernetes.io/name": "brokerproof-probe", "app.kubernetes.io/managed-by": "brokerproof"}
    container = {
        "name": _CONTAINER,
        "image": settings.image,
        "command": [settings.python, "-c", KEEPS],
        "env": [{"name": "HOME", "value": HOME}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        **account,
        "automountServiceAccountToken": bool(account),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "enableServiceLinks": False,
        "nodeSelector": dict(settings.node_selector),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": FINISHED_S,
            "template": {"metadata": {"labels": {**labels, **settings.labels}}, "spec": pod},
        },
    }


class KubernetesVantage(OwnFarSide):
    """Runs plans through one probe process in a pod."""

    def __init__(self, name: str, settings: KubernetesSettings, *, patience: Patience | None = None) -> None:
        if (settings.pod is None) is (settings.image is None):
            raise ValueError("vantage kubernetes takes a pod that runs, or an image; one of the two")
        self._settings = settings
        self._kubectl = kubectl(settings)
        self._uid = ""
        """Of the Job that was made last: pods of an earlier one may be there yet."""
        own = drawn_name() if settings.image is not None else ""
        container = _CONTAINER if own else settings.container
        command = (
            *(*self._kubectl, "exec", "-i", "--quiet"),
            *(("--container", container) if container else ()),
            *(settings.pod or f"job/{own}", "--"),
        )
        super().__init__(name, command, settings, own=own, patience=patience)

    def _start(self) -> None:
        create = (*self._kubectl, "create", "--validate=false", "--filename=-", "--output=json")
        made = called(create, what="no pod of its own", sent=json.dumps(job_of(self._own, self._settings)))
        self._uid = _uid(made)
        until = time.monotonic() + START_S
        while why := self._state():
            if time.monotonic() >= until:
                raise FarSideError(one_line(f"the pod of job {self._own} did not start within {START_S:.0f} s: {why}"))
            time.sleep(_ASK_AGAIN_S)

    def _runs(self) -> bool:
        with suppress(FarSideError):
            return not self._state()
        return False

    def _state(self) -> str:
        """Why the pod cannot be used yet; empty where it can.

        Raises:
            FarSideError: it never will be, or kubectl fails.
        """
        pods = self._listed("pods", f"--selector=controller-uid={self._uid}")
        if not pods:
            events = self._listed("events", f"--field-selector=involvedObject.name={self._own}")
            told = [str(event.get("message", "")) for event in events if event.get("type") == "Warning"]
            if told:
                raise FarSideError(one_line(f"no pod of job {self._own}: {told[-1][-300:]}"))
            return "it has no pod yet"
        status = pods[-1].get("status", {})
        if status.get("phase") in {"Failed", "Succeeded"}:
            raise FarSideError(one_line(f"the pod of job {self._own} ended: {_ended(status)}"))
        for container in status.get("containerStatuses", []):
            if container.get("name") == _CONTAINER and "running" in container.get("state", {}):
                return ""
        return self._waits(status)

    def _waits(self, status: Mapping[str, Any]) -> str:
        for container in status.get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting", {})
            words = ": ".join(filter(None, (waiting.get("reason", ""), waiting.get("message", ""))))
            if waiting.get("reason") in _FATAL:
                raise FarSideError(one_line(f"the pod of job {self._own} cannot start: {words[:300]}"))
            if words:
                return words
        told = [each for each in status.get("conditions", []) if each.get("status") == "False" and each.get("message")]
        return str(told[0]["message"]) if told else str(status.get("phase", "it is not running yet"))

    def _listed(self, kind: str, which: str) -> list[dict[str, Any]]:
        text = called((*self._kubectl, "get", kind, which, "--output=json"), what=f"{kind} of job {self._own}")
        try:
            found = json.loads(text)["items"]
        except (ValueError, KeyError, TypeError):
            raise FarSideError(f"{kind} of job {self._own}: kubectl did not print a list") from None
        return [each for each in found if isinstance(each, dict)]

    def _take_away(self) -> None:
        how = ("--ignore-not-found", "--wait=false", "--cascade=background")
        gone = (*self._kubectl, "delete", "job", self._own, *how)
        with suppress(FarSideError):
            called(gone, what="the pod of its own")


def _uid(made: str) -> str:
    try:
        return str(json.loads(made)["metadata"]["uid"])
    except (ValueError, KeyError, TypeError):
        raise FarSideError("no pod of its own: kubectl did not print the Job that it made") from None


def _ended(status: Mapping[str, Any]) -> str:
    for container in status.get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated", {})
        if ended:
            words = (ended.get("reason", ""), str(ended.get("message", "")).strip()[-300:])
            return ": ".join(filter(None, words)) or f"exit code {ended.get('exitCode')}"
    return ": ".join(filter(None, (status.get("reason", ""), status.get("message", "")))) or str(status.get("phase"))
