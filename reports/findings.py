"""What is wrong in a run: the clients of one topology are diagnosed together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from brokerproof.aws.audit.values import Audit, AuditFinding
from brokerproof.diagnosis.advice.advice import Advice
from brokerproof.diagnosis.between_clients import compared
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Finding
from brokerproof.probes.outcome import Stage
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult, ResultDocument, TopologyDiagnosis


def diagnosed(
    clients: Sequence[ClientResult], audits: Mapping[str, Audit] = MappingProxyType({})
) -> tuple[TopologyDiagnosis, ...]:
    """One diagnosis a topology: the clients that share its digest and their label, in the order of names."""
    return tuple(
        TopologyDiagnosis(
            topology_digest=digest,
            clients=tuple(result.name for result in found),
            diagnosis=diagnose([seen(result) for result in found], audits.get(digest)),
        )
        for (digest, _, _), found in _together(clients).items()
    )


def side_by_side(clients: Sequence[ClientResult]) -> tuple[ClientResult, ...]:
    """The same results, with those checks red that only the clients of one topology together can falsify."""
    checks = {
        result.name: other.checks
        for found in _together(clients).values()
        for result, other in zip(found, compared([seen(result) for result in found]), strict=True)
    }
    return tuple(msgspec.structs.replace(result, checks=checks[result.name]) for result in clients)


def _together(clients: Sequence[ClientResult]) -> dict[tuple[str, str, int], list[ClientResult]]:
    """Results of one topology, under its digest, their label, and which of several runs of a client it is."""
    groups: dict[tuple[str, str, int], list[ClientResult]] = {}
    for result in clients:
        place = 0
        while any(r.view.client == result.view.client for r in groups.get((*_key(result), place), ())):
            place += 1  # the same client twice: two runs, each with a diagnosis of its own
        groups.setdefault((*_key(result), place), []).append(result)
    return groups


def _key(result: ClientResult) -> tuple[str, str]:
    return result.topology_digest or result.pattern, result.label


def seen(result: ClientResult) -> ClientEvidence:
    """One client's run as a diagnosis takes it."""
    return ClientEvidence(
        view=result.view,
        checks=result.checks,
        outcomes=result.outcomes,
        began_ns=0 if result.started is None else result.started.began_ns,
        complete=result.closing is not None and result.closing.complete and not result.vantage_error,
        host=result.started.host_facts if result.started is not None else None,
    )


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, and the clients it is about by the names they have in the document."""

    finding: Finding
    clients: tuple[str, ...]


def findings(document: ResultDocument) -> tuple[Told, ...]:
    """Every finding of the document, topology by topology; those of unknown cause last."""
    found = list(_all(document))
    return (*(one for one in found if not one.finding.unknown), *(one for one in found if one.finding.unknown))


def _all(document: ResultDocument) -> Iterator[Told]:
    by_name = {result.name: result.view.client for result in document.clients}
    for one in document.diagnoses:
        for finding in one.diagnosis.findings:
            names = tuple(name for name in one.clients if by_name.get(name) in finding.clients)
            yield Told(finding=finding, clients=names)
        for shown in one.diagnosis.shown:
            names = tuple(name for name in one.clients if by_name.get(name) in shown.clients)
            yield Told(finding=_by_the_account_alone(shown), clients=names)


def _by_the_account_alone(shown: AuditFinding) -> Finding:
    """What the account shows and no packet met, as a finding without checks."""
    return Finding(
        codes=(shown.code,),
        stage=Stage.CONNECT,
        clients=shown.clients,
        subjects=tuple(f"broker-{broker_id}" for broker_id in shown.broker_ids),
        broker_ids=shown.broker_ids,
        wrong=f"{shown.wrong}.",
        observed="no packet that was sent met it",
        expected="",
        change=shown.change,
        account="; ".join(shown.says),
        evidence=(),
    )


class Advised(msgspec.Struct, frozen=True, kw_only=True):
    """An advice, and the clients that observed it by the names they have in the document."""

    advice: Advice
    clients: tuple[str, ...]


def advices(document: ResultDocument) -> tuple[Advised, ...]:
    """Every advice of the document once, however many topologies it was observed in."""
    by_name = {result.name: result.view.client for result in document.clients}
    alike: dict[Advice, list[Advised]] = {}
    for one in document.diagnoses:
        for advice in one.diagnosis.advices:
            names = tuple(name for name in one.clients if by_name.get(name) in advice.clients)
            said = msgspec.structs.replace(advice, observed="", clients=(), evidence=())
            alike.setdefault(said, []).append(Advised(advice=advice, clients=names))
    return tuple(_told_once(said, found) for said, found in alike.items())


def _told_once(said: Advice, found: Sequence[Advised]) -> Advised:
    clients = tuple(client for one in found for client in one.clients)
    first, *others = dict.fromkeys(one.advice.observed for one in found)
    observed = (
        first
        if not others
        else f"{first}; and likewise in {words.count(len(others), 'more topology', 'more topologies')}"
    )
    evidence = tuple(key for one in found for key in one.advice.evidence)
    return Advised(
        advice=msgspec.structs.replace(said, observed=observed, clients=clients, evidence=evidence), clients=clients
    )


def explained(document: ResultDocument) -> dict[tuple[str, str], Finding]:
    """The finding of a red check, by the client's name in the document and the check's id."""
    views = {result.name: result.view.client for result in document.clients}
    return {
        (name, key.partition("/")[2]): finding
        for one in document.diagnoses
        for finding in one.diagnosis.findings
        for key in finding.evidence
        for name in one.clients
        if views.get(name) == key.partition("/")[0]
    }
