"""What a rule says, as a finding a person can read: what is wrong, observed, expected, change, next step. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Cause, Finding
from brokerproof.diagnosis.rules.case import Case, Draft, Red
from brokerproof.diagnosis.rules.headline import brokers_of, headline
from brokerproof.probes.outcome import Status
from brokerproof.probes.outcome.registry import ORDER
from brokerproof.wording import listed

_FIGURE: Final = re.compile(r"\b\d+ ms\b")
_BROKER: Final = re.compile(r"broker \{brokers?\}")
"""In a remedy: told as one broker, as several, or as all of them."""
_LISTED: Final = 3
"""What is seen several times is told so often, and the rest is counted."""


def finding(case: Case, draft: Draft, consequences: tuple[str, ...]) -> Finding:
    """The finding of a draft."""
    reds = sorted(draft.reds, key=lambda r: (ORDER[r.check.stage], r.client, r.check.check_id))
    codes = tuple(sorted(draft.codes))
    causes = tuple(_cause(code, reds) for code in codes)
    another_client = _another_client(case, codes)
    return Finding(
        codes=codes,
        stage=reds[0].check.stage,
        clients=tuple(sorted({red.client for red in reds})),
        subjects=tuple(sorted({red.check.label for red in reds})),
        broker_ids=brokers_of(reds),
        addresses=tuple(sorted({red.check.address for red in reds if red.check.address})),
        wrong=headline(codes, draft.wrong, reds),
        observed=_observed(reds),
        expected=_expected(reds),
        change=_change(causes),
        next_step=_next_step(causes, another_client),
        causes=causes if len(causes) > 1 else (),
        another_client=another_client,
        second_look=_second_look(case, reds),
        account=draft.account,
        evidence=tuple(sorted({red.key for red in reds})),
        consequences=tuple(key for key in consequences if key not in {red.key for red in reds}),
    )


def _second_look(case: Case, reds: Sequence[Red]) -> str:
    """Whether it lasted, and when that was seen."""
    again = [(red, o) for red in reds for o in case.again(red)]
    if not again:
        return ""
    first_ns = min((o.started_ns for red in reds for o in case.outcomes(red)), default=0)
    last_ns = max(o.started_ns + o.duration_ns for _, o in again)
    well = {red.key for red, o in again if o.status is Status.OK} - {
        red.key for red, o in again if o.status is not Status.OK
    }
    looked_at = {red.key for red, _ in again}
    after = f"{(last_ns - first_ns) / 1e9:.1f} s after the first failure"
    if not well:
        return f"the same, {after}"
    if well == looked_at:
        return f"well again, {after}"
    return f"{len(well)} of {len(looked_at)} well again, {after}"


def _observed(reds: Sequence[Red]) -> str:
    """What was seen, at most a few times over."""
    told: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for red in reds:
        alike = _FIGURE.sub("", red.check.observed)  # what differs by how long it took is the same
        first.setdefault(alike, red.check.observed)
        told.setdefault(alike, []).append(f"{red.client} at {red.check.label}")
    lines = [
        f"{first[alike]} ({listed(list(dict.fromkeys(places))[:_LISTED])}"
        f"{f' and {len(set(places)) - _LISTED} more' if len(set(places)) > _LISTED else ''})"
        for alike, places in told.items()
    ]
    return _few(lines)


def _expected(reds: Sequence[Red]) -> str:
    return _few(list(dict.fromkeys(red.check.expected for red in reds)))


def _few(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return "; ".join(lines[:_LISTED]) + more


def _cause(code: Code, reds: Sequence[Red]) -> Cause:
    return Cause(code=code, change=_filled(CATALOGUE[code].remedy, reds), look_at=CATALOGUE[code].call)


def _change(causes: Sequence[Cause]) -> str:
    if len(causes) == 1:
        return causes[0].change
    return "\n".join(f"{each.code}: {each.change}" for each in causes)


def _filled(remedy: str, reds: Sequence[Red]) -> str:
    """The remedy with its placeholders, each from all reds of the finding; what these do not say, from the views."""
    checks = [red.check for red in reds]
    views = [red.view for red in reds]
    brokers = brokers_of(reds)
    named = f"broker{'s' if len(brokers) > 1 else ''} {_some(brokers)}" if brokers else "the brokers"
    meant = [b for view in views for b in view.brokers if not brokers or b.broker_id in brokers]
    return _BROKER.sub(lambda _: named, remedy).format(
        name=_some([c.name for c in checks if c.name] or [b.name for b in meant]),
        vpc=_some([v.vpc_id for v in views]),
        address=_some([c.address for c in checks if c.address] or [a.address for b in meant for a in b.addresses]),
        port=_some(sorted({c.port for c in checks if c.port} or {b.port for b in meant})),
        cluster=_some([v.cluster_name for v in views]),
        client=_some([v.client for v in views]),
        region=_some([v.region_name for v in views]),
    )


def _some(items: Sequence[object]) -> str:
    different = list(dict.fromkeys(items))
    first = different[:_LISTED]
    if len(different) > _LISTED:
        return listed([*first, f"{len(different) - _LISTED} more"])
    return listed(first)


def _another_client(case: Case, codes: tuple[Code, ...]) -> str:
    """Where one client alone was heard, another may split a set."""
    heard = sum(bool(view.brokers) for view in case.views)
    alone = len(codes) > 1 and heard == 1
    return "verify from a second client, in another VPC or in the cluster's own" if alone else ""


def _next_step(causes: Sequence[Cause], another_client: str) -> str:
    """What would split a set: another client, and the calls of its causes."""
    if [each.code for each in causes] == [Code.UNKNOWN]:
        return "read the evidence's outcomes in the report, then flow logs and the broker's log at that time"
    if len(causes) == 1:
        return ""
    lines = [another_client, *(f"{each.code}: {each.look_at}" for each in causes if each.look_at)]
    return "\n".join(line for line in lines if line)
