"""An audit in words and as SARIF: the same findings, in the words of a diagnosis. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from brokerproof.aws.audit.audit import without_places
from brokerproof.aws.audit.values import Audit, AuditFinding, NoteKind, State, Trace
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code

_SARIF: Final = "https://json.schemastore.org/sarif-2.1.0.json"
NOTED: Final = {
    NoteKind.QUOTA: "A quota is nearly used up",
    NoteKind.OVERLAP: "Two VPCs have addresses in common",
    NoteKind.EXPIRING: "Something ends by itself",
    NoteKind.DRIFT: "The account is not as it was meant",
}
_LEVELS: Final = {State.CLOSED: "error", State.DOUBTFUL: "warning"}


def how_sure(found: AuditFinding) -> str:
    """How sure it is, in one line."""
    if found.sure:
        return f"the configuration proves it: {found.code}"
    return f"the configuration does not show whether it does harm: {found.code}"


def told(found: AuditFinding) -> tuple[tuple[str, str], ...]:
    """Everything after the first sentence, as (what, words); nothing empty."""
    lines = (
        ("the account", "; ".join(found.says)),
        ("change", found.change),
        ("how sure", how_sure(found)),
        ("rests on", "; ".join(found.sources)),
        ("clients", ", ".join(found.clients)),
    )
    return tuple((what, words) for what, words in lines if words)


def lines_of(found: Audit, *, traces: bool) -> Iterator[str]:
    """The whole audit, line by line."""
    for each in found.findings:
        yield f"{'WRONG' if each.sure else 'DOUBT'}  {each.wrong}."
        yield from (f"  {what:<13}{words}" for what, words in told(each))
        yield ""
    for gap in found.gaps:
        where = f"account {gap.account_id}, Region {gap.region_name}"
        yield f"UNKNOWN  {gap.action} in {where}: {gap.why}."
        yield f"  {'so unknown':<12}{', '.join(gap.unknown)}"
        yield f"  {'code':<12}{Code.AUDIT_PERMISSION_GAP}"
        yield ""
    for note in found.notes:
        yield f"NOTE  {note.what} {note.says}."
        yield f"  {'kind':<12}{note.kind}"
        yield f"  {'change':<12}{note.change}"
        yield ""
    for client in dict.fromkeys(one.client for one in found.traces):
        own = [one for one in found.traces if one.client == client]
        yield f"{client}: {', '.join(f'{_called(one)} {one.state}' for one in own)}"
        for one in own if traces else ():
            yield f"  {_called(one)}: {one.name}:{one.port}"
            for hop in one.hops:
                mark = {State.OPEN: " ", State.CLOSED: "x", State.DOUBTFUL: "?", State.UNKNOWN: "-"}[hop.state]
                source = f"  [{hop.source}]" if hop.source else ""
                yield f"   {mark} {hop.what} {hop.says}{source}"


def _called(one: Trace) -> str:
    if one.broker_id is not None:
        return f"broker {one.broker_id}"
    return "bootstrap" if one.port else "every broker"


def verdict(found: Audit) -> str:
    """The audit in one line."""
    count = len([one for one in found.traces if one.state is State.OPEN])
    whole = f"{count:,} of {len(found.traces):,} paths are open by the configuration"
    if found.findings:
        sure = sum(each.sure for each in found.findings)
        doubts = len(found.findings) - sure
        return f"{whole}; {sure} wrong, {doubts} doubtful" if doubts else f"{whole}; {sure} wrong"
    if found.gaps:
        return f"{whole}; not everything could be read"
    unknown = len([one for one in found.traces if one.state is State.UNKNOWN])
    return f"{whole}; of {unknown:,} that is not known" if unknown else f"{whole}; nothing is wrong"


def sarif(found: Audit, artifact: str) -> dict[str, Any]:
    """SARIF 2.1.0: a result a finding and a gap, about the file that was audited."""
    place = [{"physicalLocation": {"artifactLocation": {"uri": artifact}}}]
    results: list[dict[str, Any]] = [
        {
            "ruleId": str(each.code),
            "level": _LEVELS[each.state],
            "message": {"text": f"{each.wrong}. {'; '.join(each.says)}. Change: {each.change}"},
            "locations": [
                {
                    **place[0],
                    "logicalLocations": [
                        {"fullyQualifiedName": resource, "kind": "resource"} for resource in each.resources
                    ],
                }
            ],
            "partialFingerprints": {"cause": "/".join([str(each.code), *each.clients])},
        }
        for each in found.findings
    ]
    results += [
        {
            "ruleId": str(Code.AUDIT_PERMISSION_GAP),
            "level": "note",
            "message": {"text": f"{gap.action} in account {gap.account_id}, {gap.region_name}: {gap.why}"},
            "locations": place,
        }
        for gap in found.gaps
    ]
    codes = sorted({result["ruleId"] for result in results})
    results += [
        {
            "ruleId": f"note.{note.kind}",
            "level": "note",
            "message": {"text": f"{note.what} {note.says}. Change: {note.change}"},
            "locations": place,
        }
        for note in found.notes
    ]
    rules: list[dict[str, Any]] = [
        {
            "id": code,
            "shortDescription": {"text": CATALOGUE[Code(code)].title},
            "help": {"text": without_places(CATALOGUE[Code(code)].remedy)},
        }
        for code in codes
    ]
    kinds = dict.fromkeys(note.kind for note in found.notes)
    rules += [{"id": f"note.{kind}", "shortDescription": {"text": NOTED[kind]}} for kind in kinds]
    driver = {"name": "brokerproof audit", "rules": rules}
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
