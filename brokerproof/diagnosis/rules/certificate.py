"""Rules of a certificate that is not right: its names, its issuer, its dates, and whether others see the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.certificates import went_back
from brokerproof.diagnosis.rules.case import TWICE, Case, Named, Red, Said, behind_own, kind, managed
from brokerproof.probes.outcome import HandshakeFacts, Reason, Stage
from brokerproof.topology.expectation.view import ClientView
from brokerproof.wording import listed

_MSK_NAME: Final = re.compile(r"^\*?\.?(?:[a-z0-9-]+\.)*?(?P<cluster>[a-z0-9-]+\.[a-z0-9]+\.c\d+)\.kafka\.", re.ASCII)


_UNTRUSTED: Final = "the client does not trust the certificate's issuer"


def other_names(red: Red, facts: HandshakeFacts | None) -> Said:
    """What a certificate of a trusted authority is for, where it is not for the name that was asked for."""
    name = red.check.name.lower()
    if _is_address(name):
        return frozenset({Code.TLS_BOOTSTRAP_BY_ADDRESS}), ""
    mine = _MSK_NAME.match(name)
    names = () if facts is None else facts.dns_names
    shown = {m["cluster"] for dns_name in names if (m := _MSK_NAME.match(dns_name.lower()))}
    if mine and shown:
        if mine["cluster"] not in shown:
            return frozenset({Code.TLS_OTHER_CLUSTER}), Named(f"another cluster answers, {listed(sorted(shown))}")
        return frozenset({Code.TLS_CONNECTION_NAME if managed(red.view) else Code.TLS_NAME_NOT_COVERED}), ""
    if mine is None and shown:
        return frozenset({Code.TLS_NAME_NOT_COVERED}), ""
    said = sets.OTHER_NAMES_BEHIND if behind_own(red.view) else sets.OTHER_NAMES
    return said, "the certificate has none of MSK's names"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _others(case: Case, red: Red, *, any_broker: bool = False) -> Iterator[tuple[ClientView, HandshakeFacts, bool]]:
    """What clients of other VPCs saw of the same broker: facts, and whether they were content."""
    for view in case.views:
        if view.vpc_id == red.view.vpc_id:
            continue
        for outcome in case.of_stage(view, Stage.HANDSHAKE):
            same = any_broker or outcome.target.broker_id == red.check.broker_id or red.check.broker_id is None
            if same and isinstance(outcome.facts, HandshakeFacts):
                yield view, outcome.facts, outcome.reason is None


def _alike(one: ClientView, other: ClientView) -> bool:
    """Whether both are shown what the same listener shows by the same kind of address."""
    return (kind(one), one.listener) == (kind(other), other.listener)


def untrusted(case: Case, red: Red, facts: HandshakeFacts | None) -> Said:
    """Whose certificate it may be that the client does not trust."""
    if facts is None:
        return sets.UNTRUSTED_HERE, _UNTRUSTED
    others = list(_others(case, red))
    content = {seen.sha256 for _, seen, is_content in others if is_content}
    changed = frozenset({Code.TLS_INSPECTED}) | ({Code.NLB_TLS_LISTENER} if behind_own(red.view) else frozenset())
    if any(is_content and seen.sha256 != facts.sha256 and _alike(view, red.view) for view, seen, is_content in others):
        return changed, "" if len(changed) == 1 else f"{_UNTRUSTED}, and others are shown another certificate"
    if facts.sha256 in content:
        return frozenset({Code.TLS_UNTRUSTED_AUTHORITY}), ""
    known = bool(others) and all(seen.sha256 == facts.sha256 for _, seen, _ in others)
    said = sets.UNTRUSTED if known else sets.UNTRUSTED | changed
    if len(facts.chain) > 1:
        said = said - {Code.TLS_CHAIN_INCOMPLETE}
    if Reason.NAME_MISMATCH in facts.problems:
        said = said | other_names(red, facts)[0]
    return said, _UNTRUSTED


def dates(case: Case, red: Red, facts: HandshakeFacts | None) -> Said:
    """Whether the certificate or the client's clock is wrong: other clients have clocks of their own."""
    others = [(seen, content) for _, seen, content in _others(case, red, any_broker=True)]
    if facts is not None and any(content and seen.sha256 == facts.sha256 for seen, content in others):
        return frozenset({Code.TLS_CLOCK_WRONG}), ""
    expired = red.check.reason is Reason.CERTIFICATE_EXPIRED
    if any(red.check.reason in seen.problems for seen, _ in others):
        return frozenset({Code.TLS_CERTIFICATE_DATES if expired else Code.TLS_CERTIFICATE_NOT_YET_VALID}), ""
    if expired:
        return sets.EXPIRED, "the certificate has expired by the client's clock"
    return sets.NOT_YET_VALID, "the certificate is not valid yet by the client's clock"


def two_certificates(case: Case, red: Red) -> Said:
    """Of a certificate that is right, and another than the same broker or cluster shows elsewhere.

    A renewal takes a certificate's place for good: where the earlier one is shown again after the later one, two
    things answer in the broker's name.
    """
    codes = sets.TWO_CERTIFICATES | ({Code.NLB_TLS_LISTENER} if behind_own(red.view) else frozenset())
    here = (red.client, red.check.place)
    mine = {one.broker_id for one in case.certificates if (one.client, one.target.place) == here}
    if went_back(one for one in case.certificates if one.broker_id in mine) >= TWICE:
        codes -= {Code.TLS_CERTIFICATE_RENEWED}
    return codes, "clients are shown different certificates in the name of one cluster, each of them trusted"
