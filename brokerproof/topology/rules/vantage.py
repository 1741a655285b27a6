"""A vantage that cannot be opened as it is described: fields that are missing, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.models.client import VANTAGE_FIELDS
from brokerproof.wording import listed

_TO_A_SHELL: Final = frozenset({"ssh", "autossh", "plink"})
"""Commands that join the words they are given with spaces and hand them to the far side's shell."""
_OF_ITS_OWN: Final = ("node_selector", "labels", "service_account", "network")
"""What is settled when a pod or container is made."""

FieldProblem = tuple[tuple[str, ...], str]
"""The field, none where it is about several, and what is wrong."""


_NEEDED: Final = {
    VantageKind.SSH: ("host", "is not given; ssh needs a host to log in to"),
    VantageKind.SSM: ("instance_id", "is not given; ssm needs an instance to run commands at"),
}
_THERE: Final = {
    VantageKind.KUBERNETES: ("pod", "a pod that runs"),
    VantageKind.DOCKER: ("container", "a container that runs"),
    VantageKind.PODMAN: ("container", "a container that runs"),
}
"""What may be there already, instead of one that is made of an image."""


def vantage_problems(vantage: ClientVantage) -> Iterator[FieldProblem]:
    """What is wrong with a vantage by itself."""
    for field, kinds in VANTAGE_FIELDS.items():
        if getattr(vantage, field) not in (None, (), {}) and vantage.kind not in kinds:
            yield (field,), f"is of no use to {vantage.kind}; it is for {listed(sorted(kinds))}"
    if vantage.kind in _NEEDED:
        field, words = _NEEDED[vantage.kind]
        if getattr(vantage, field) is None:
            yield (field,), words
    if vantage.kind in _THERE:
        yield from _one_of(vantage, *_THERE[vantage.kind])
    if vantage.kind is VantageKind.EXEC:
        yield from _of_exec(vantage)


def _of_exec(vantage: ClientVantage) -> Iterator[FieldProblem]:
    if not vantage.command:
        words = 'is empty; give the prefix that lands in the client VPC, e.g. ["kubectl", "exec", "-i", "pod", "--"]'
        yield ("command",), words
    shells = [word for word in vantage.command if PurePath(word).name in _TO_A_SHELL]
    if shells and vantage.far_shell is None:
        words = (
            f"{shells[0]} hands its words to a shell at the far side: add far_shell: true, so that they are quoted "
            f"for it (far_shell: false where {shells[0]} is not what runs there)"
        )
        yield (), words


def _one_of(vantage: ClientVantage, there: str, what: str) -> Iterator[FieldProblem]:
    """Either it is there already, or it is made of an image."""
    stated = getattr(vantage, there)
    if (stated is None) is (vantage.image is None):
        yield (), f"takes {there} ({what}) or image (for one of its own), one of the two"
    if vantage.image is not None and vantage.kind is VantageKind.KUBERNETES and vantage.container is not None:
        yield ("container",), "is of no use with image: a pod of its own has one container"
    for field in _OF_ITS_OWN:
        if vantage.image is None and getattr(vantage, field) not in (None, {}):
            yield (field,), f"is of no use without image: {what} has its own"
