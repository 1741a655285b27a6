"""Rules of the client's own host: how it looks names up, and whether its connections go where they are sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.rules.case import Case, Draft, Red, Said, grouped
from brokerproof.diagnosis.rules.shape import REFUSALS
from brokerproof.probes.outcome import HostFacts, LookupFailure, Outcome, Reason, ResolveFacts, Stage, Status
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.outcome.registry import precedes
from brokerproof.topology.expectation.view import ClientView

_HEARD_NOTHING: Final = frozenset({LookupFailure.TIMED_OUT, LookupFailure.AGAIN})
_BY_DNS: Final = frozenset({"dns", "resolve"})
"""Services of nsswitch.conf(5) that ask a resolver: the C library's own, and systemd-resolved."""
_PLAIN: Final = frozenset({"files", "dns", "myhostname", "mymachines"})
"""What else is there answers for no name with a dot (nss-myhostname(8), nss-mymachines(8))."""
_ENDS_THERE: Final = "[notfound=return]"
_ELSEWHERE: Final = frozenset(
    {
        Reason.REFUSED,
        Reason.RESET,
        Reason.CLOSED,
        Reason.TIMED_OUT,
        Reason.CHAIN_UNTRUSTED,
        Reason.NAME_MISMATCH,
        Reason.NOT_TLS,
        Reason.ALERT,
        Reason.PROTOCOL_ERROR,
        Reason.NOT_KAFKA,
        Reason.OTHER_BROKER,
        Reason.NOT_LEADER,
        Reason.TRANSPORT,
    }
)
"""What a connection ends as that does not go where it is sent."""


# Names


def lookup(case: Case, red: Red, facts: ResolveFacts | None) -> Said | None:  # noqa: PLR0911 - one line a witness
    """Why the operating system does not say what the resolver says."""
    if facts is None or not facts.rcode:
        return None  # the name could not be asked for
    host = case.host(red.view)
    if facts.os_failure in _HEARD_NOTHING:
        return _unheard(facts, host)
    if facts.os_failure is not None:
        return _unknown_there(host)
    told = set(facts.os_addresses)
    if host is not None and any(_is_of(red, e.name) and set(e.addresses) & told for e in host.hosts_entries):
        return frozenset({Code.HOST_HOSTS_ENTRY}), ""
    if any(set(each.addresses) & told for each in facts.searched):
        return frozenset({Code.HOST_SEARCH_LIST}), ""
    if any(set(each.addresses) & told for each in facts.elsewhere):
        return frozenset({Code.DNS_RESOLVER_BYPASSED}), ""
    return _possible(facts, host), "the operating system has other addresses for the name than the resolver"


def _is_of(red: Red, name: str) -> bool:
    return name.lower() == canonical(red.check.name)


def _unheard(facts: ResolveFacts, host: HostFacts | None) -> Said:
    """The resolver answered the probe, and the operating system heard nothing."""
    if facts.tcp_failure is not None:
        return frozenset({Code.DNS_TCP_BLOCKED}), ""
    codes = sets.QUESTION_LOST
    if host is None or _has_other_services(host):
        codes |= {Code.HOST_NAME_SERVICE}
    if host is None or _asks_others(facts, host):
        codes |= {Code.DNS_RESOLVER_BYPASSED}
    return codes, "the resolver answers, and the operating system's own question went unanswered"


def _unknown_there(host: HostFacts | None) -> Said:
    """The resolver has the name, and to the operating system it does not exist."""
    services = [word.lower() for word in host.name_services] if host is not None else []
    asks = next((place for place, word in enumerate(services) if word in _BY_DNS), len(services))
    if services and (asks == len(services) or _ENDS_THERE in _own(services[:asks])):
        return frozenset({Code.HOST_NAME_SERVICE}), ""
    return sets.LOOKED_UP_OTHERWISE, "the resolver has the name, and to the operating system it does not exist"


def _own(services: Sequence[str]) -> list[str]:
    """Without what belongs to multicast DNS, which says "not found" of names below ``.local`` alone (nss-mdns)."""
    return [w for before, w in zip(["", *services], services, strict=False) if not before.startswith("mdns")]


def _possible(facts: ResolveFacts, host: HostFacts | None) -> frozenset[Code]:
    """What the host's facts leave of the causes of an answer that is another than the resolver's."""
    if host is None:
        return sets.LOOKED_UP_OTHERWISE
    codes = sets.LOOKED_UP_OTHERWISE - {Code.HOST_HOSTS_ENTRY}
    if not host.search:
        codes -= {Code.HOST_SEARCH_LIST}
    if not _has_other_services(host):
        codes -= {Code.HOST_NAME_SERVICE}
    if not _asks_others(facts, host):
        codes -= {Code.DNS_RESOLVER_BYPASSED}
    # By elimination alone nothing is sure: there may be a service that the facts do not know.
    return codes if len(codes) > 1 else codes | {Code.HOST_NAME_SERVICE}


def _has_other_services(host: HostFacts) -> bool:
    """Whether lookups may be answered by something else than ``/etc/hosts`` and a resolver."""
    services = {word.lower() for word in host.name_services if not word.startswith(("[", "mdns"))}
    return bool(host.name_cache) or not services or not services <= _PLAIN


def _asks_others(facts: ResolveFacts, host: HostFacts) -> bool:
    """Whether the operating system has another nameserver than the one that the probe asked."""
    return not host.nameservers or set(host.nameservers) != {facts.resolver}


# Connections


def intercepted(case: Case, reds: Sequence[Red]) -> Iterable[Draft]:
    """Connections of a client at a port where addresses that nobody has accept as well."""
    return grouped(_explained(case, reds))


def _explained(case: Case, reds: Sequence[Red]) -> Iterator[tuple[frozenset[Code], str, Red]]:
    for red in reds:
        if red.check.isolation or not _is_of_connections(red) or red.check.reason not in _ELSEWHERE:
            continue
        ports = _accepted(case, red.view)
        if red.check.port in ports or (not red.check.port and ports):
            yield frozenset({Code.HOST_INTERCEPTED}), "", red


def unless_shared(case: Case, red: Red) -> frozenset[Code]:
    """The host's own interception, where nothing shows that what a client met at a broker is not of its host alone.

    Two clients do, which share no host; so does silence at the addresses that nobody has, unless another client is
    well at the same broker.
    """
    same = [
        (view, check)
        for view in case.views
        for check in case.checks(view)
        if (check.stage, check.broker_id) == (red.check.stage, red.check.broker_id) and not check.isolation
    ]
    if len({view.client for view, check in same if check.reason is red.check.reason}) > 1:
        return frozenset()
    others_well = any(check.verdict is Verdict.PASSED for view, check in same if view.client != red.client)
    nobodys = _at_nobodys(case, red.view).get(red.check.port, [])
    silent = bool(nobodys) and all(outcome.reason is Reason.TIMED_OUT for outcome in nobodys)
    return frozenset() if silent and not others_well else frozenset({Code.HOST_INTERCEPTED})


def _is_of_connections(red: Red) -> bool:
    return red.check.stage is Stage.CONNECT or precedes(Stage.CONNECT, red.check.stage)


def _accepted(case: Case, view: ClientView) -> frozenset[int]:
    """The ports that every address accepts that nobody has; one address alone may be somebody's after all."""
    return frozenset(
        port
        for port, outcomes in _at_nobodys(case, view).items()
        if len(outcomes) > 1 and all(outcome.status is Status.OK for outcome in outcomes)
    )


def _at_nobodys(case: Case, view: ClientView) -> dict[int, list[Outcome]]:
    """By port, how connects to addresses that nobody has ended."""
    found: dict[int, list[Outcome]] = {}
    for outcome in case.controls(view, Stage.CONNECT):
        found.setdefault(outcome.target.port, []).append(outcome)
    return found


def perhaps_intercepted(case: Case, drafts: Sequence[Draft]) -> list[Draft]:
    """The same drafts, where none names a piece further away alone that this host's own interception may explain."""
    return [_widened(draft) if _is_in_doubt(case, draft) else draft for draft in drafts]


def _widened(draft: Draft) -> Draft:
    wrong = draft.wrong or CATALOGUE[min(draft.codes)].title
    return Draft(
        draft.codes | {Code.HOST_INTERCEPTED},
        f"{wrong}, unless something on the client host takes the connections",
        draft.reds,
    )


def _is_in_doubt(case: Case, draft: Draft) -> bool:
    if draft.codes & {Code.HOST_INTERCEPTED, Code.UNKNOWN}:
        return False
    theirs = [red for red in draft.reds if _is_of_connections(red)]
    return bool(theirs) and all(_is_doubtful(case, red) for red in theirs)


def _is_doubtful(case: Case, red: Red) -> bool:
    """Whether what takes connections to nobody may be what the red check met.

    A neighbour that the topology does not know may refuse as well, so a refusal explains refusals alone; and a
    loopback refuses by itself.
    """
    anywhere = red.check.isolation or not red.check.port
    met = [
        o for port, found in _at_nobodys(case, red.view).items() if anywhere or port == red.check.port for o in found
    ]
    if any(outcome.status is Status.OK for outcome in met):
        return True
    refused = any(o.reason in REFUSALS and not o.target.address.startswith("127.") for o in met)
    return refused and red.check.reason in REFUSALS
