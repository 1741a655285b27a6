"""The one sentence that a finding begins with: what is wrong, where, and who sees it. Pure.

A cause alone is told by its entry's title, or as its rule named it. A set is told by what its rule saw, and by where
all its causes sit: it is "behind the load balancer" only where each of them is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import BEHIND_THE_BALANCER
from brokerproof.diagnosis.check import Subject
from brokerproof.diagnosis.rules.case import Access, Named, Red, kind
from brokerproof.wording import listed

_NAMED: Final = 8
"""Clients named in a finding's one sentence."""
_ENTRIES: Final = {Access.ENDPOINT: "endpoint", Access.NODES: "load balancer", Access.DIRECT: "brokers"}


def headline(codes: Collection[Code], symptom: str, reds: Sequence[Red]) -> str:
    """The sentence. ``symptom`` is what the rule saw, with its placeholders; of one cause it is not needed.

    ``{one}`` is "one broker" or "some brokers", ``{some}`` the same with its verb; ``{behind}`` is where all causes
    sit, or nothing; ``{everywhere}`` and ``{anywhere}`` are there where several addresses are meant; ``{entry}`` is
    what the clients connect to.
    """
    several = len(brokers_of(reds)) > 1
    if isinstance(symptom, Named):
        told = str(symptom)
    elif len(codes) > 1:
        told = symptom.format(
            one="some brokers" if several else "one broker",
            some="some brokers do" if several else "one broker does",
            behind=_behind(codes, reds),
            everywhere=" at every address" if len(_places(reds)) > 1 else "",
            anywhere=f" at any of {'their' if several else 'its'} addresses" if len(_places(reds)) > 1 else "",
            entry=_entry(reds),
        )
    else:
        [code] = codes
        entry = CATALOGUE[code]
        told = entry.of_several if several and entry.of_several else entry.title
    return f"{told[0].upper()}{told[1:]} ({_scope(reds)})."


def brokers_of(reds: Sequence[Red]) -> tuple[int, ...]:
    """The brokers that the reds are about."""
    return tuple(sorted({red.check.broker_id for red in reds if red.check.broker_id is not None}))


def _behind(codes: Collection[Code], reds: Sequence[Red]) -> str:
    fronted = all(kind(red.view) is not Access.DIRECT for red in reds)
    there = all(CATALOGUE[code].sits in BEHIND_THE_BALANCER for code in codes)
    return " behind the load balancer" if fronted and there else ""


def _entry(reds: Sequence[Red]) -> str:
    met = {kind(red.view) for red in reds}
    return " or ".join(words for access, words in _ENTRIES.items() if access in met)


def _places(reds: Sequence[Red]) -> set[tuple[str, int]]:
    return {(red.check.address, red.check.port) for red in reds if red.check.address}


def _scope(reds: Sequence[Red]) -> str:
    """Which brokers, at which address where it is one, and from which clients."""
    where = " at ".join(part for part in (_whose(reds), _one_place(reds)) if part)
    clients = sorted({red.client for red in reds})
    told = clients if len(clients) <= _NAMED else [*clients[: _NAMED - 1], f"{len(clients) - _NAMED + 1:,} more"]
    seen = f"seen from client{'s' if len(clients) > 1 else ''} {listed(told)}"
    return f"{where}, {seen}" if where else seen


def _whose(reds: Sequence[Red]) -> str:
    brokers = brokers_of(reds)
    bootstrap = ["bootstrap"] if any(red.check.subject is Subject.BOOTSTRAP for red in reds) else []
    named = listed([*brokers, *bootstrap]) if brokers or bootstrap else ""
    return f"broker{'s' if len(brokers) > 1 else ''} {named}" if brokers else named


def _one_place(reds: Sequence[Red]) -> str:
    places = _places(reds)
    if len(places) != 1:
        return ""
    [(address, port)] = places
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
