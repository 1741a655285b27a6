"""``--from``: where a command probes from, in a word. It becomes what a topology file says of a client's vantage."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import Any, Final

from pydantic import ValidationError

from brokerproof.cli.endings import WRONG_USE, Said
from brokerproof.topology.models import ClientVantage, VantageKind
from brokerproof.topology.rules.vantage import vantage_problems

FROM_HELP: Final = (
    "ssh:HOST, ssm:INSTANCE, kubernetes:POD, docker:NAME, podman:NAME, KIND:KEY=VALUE,..., or a command prefix"
)
_TO_A_SHELL: Final = frozenset({"ssh", "autossh", "plink"})
_SHORT: Final = {VantageKind.KUBERNETES: "pod", VantageKind.DOCKER: "container", VantageKind.PODMAN: "container"}
"""What a word alone is, of each kind that a colon leads to."""
_EXAMPLES: Final = {
    VantageKind.SSH: "ssh:[USER@]HOST[:PORT], as in --from ssh:ec2-user@client-host",
    VantageKind.SSM: "ssm:INSTANCE[@REGION][/BUCKET], as in --from ssm:i-0abc1234",
    VantageKind.KUBERNETES: (
        "kubernetes:POD, or keys of the vantage, as in --from kubernetes:pod=orders-0,namespace=apps or "
        "--from kubernetes:image=python:3.12-slim,namespace=apps,labels.app=orders"
    ),
    VantageKind.DOCKER: "docker:CONTAINER, or --from docker:image=python:3.12-slim,network=apps",
    VantageKind.PODMAN: "podman:CONTAINER, or --from podman:image=python:3.12-slim,network=apps",
}
_KEYS: Final = re.compile(r"[a-z_]+(\.[^=,]+)?=")
_EXAMPLE: Final = "--from 'ssh host --' or --from ssh:host"


def vantage_of(place: str | None) -> ClientVantage:
    """The vantage of a place, or of a command prefix, as in ``ip netns exec NAME``; without one, this machine.

    Raises:
        Said: it is none.
    """
    if place is None:
        return ClientVantage(kind=VantageKind.LOCAL)
    kind, colon, said = place.partition(":")
    if colon and kind in list(_EXAMPLES):
        return _settled(VantageKind(kind), place, said)
    try:
        words = tuple(shlex.split(place))
    except ValueError as wrong:
        raise Said(f"--from {place!r}: {wrong}; give a command prefix, as in {_EXAMPLE}", WRONG_USE) from None
    if not words:
        raise Said(f"--from is empty; give a command prefix, as in {_EXAMPLE}", WRONG_USE)
    shell = any(PurePath(word).name in _TO_A_SHELL for word in words)
    return ClientVantage(kind=VantageKind.EXEC, command=words, far_shell=shell)


def _settled(kind: VantageKind, place: str, said: str) -> ClientVantage:
    fields = _fields(said) if _KEYS.match(said) else _alone(kind, said)
    if fields is None:
        raise Said(f"--from {place!r}: expected {_EXAMPLES[kind]}", WRONG_USE)
    try:
        made = ClientVantage.model_validate({"kind": kind, **fields})
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        why = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise Said(f"--from {place!r}: {why}; expected {_EXAMPLES[kind]}", WRONG_USE) from None
    for field, why in vantage_problems(made):
        raise Said(f"--from {place!r}: {' '.join((*field, why))}; expected {_EXAMPLES[kind]}", WRONG_USE)
    return made


def _alone(kind: VantageKind, said: str) -> dict[str, Any] | None:
    if kind in _SHORT:
        return {_SHORT[kind]: said} if said else None
    if kind is VantageKind.SSM:
        of_ssm = re.fullmatch(r"(m?i-[A-Za-z0-9]+)(?:@([a-z0-9-]+))?(?:/([a-z0-9.-]+))?", said)
        return of_ssm and {"instance_id": of_ssm[1], "region_name": of_ssm[2], "bucket": of_ssm[3]}
    match = re.fullmatch(r"(?:([^@\s]+)@)?([^@:\s]+|\[[^\]\s]+\])(?::(\d+))?", said)
    if match is None:
        return None
    return {"host": match[2], "user": match[1], "port": None if match[3] is None else int(match[3])}


def _fields(said: str) -> dict[str, Any] | None:
    """``key=value,...``; ``key.name=value`` is one of several."""
    fields: dict[str, Any] = {}
    for part in said.split(","):
        key, equals, value = part.partition("=")
        name, dot, inner = key.partition(".")
        if not equals or not value:
            return None
        if dot:
            fields.setdefault(name, {})[inner] = value
        else:
            fields[name] = value.split("+") if name == "jump_hosts" else value
    return fields
