"""Both witnesses in one finding: what packets leave open, the account's configuration settles, or contradicts. Pure.

A set that clients cannot split is cut down to what the account shows for the same clients and brokers. Where the
account shows none of it, and was read as far as it had to be, what it would have shown is struck out. Where nothing is
left, the two contradict each other, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from brokerproof.aws.audit.values import Audit, AuditFinding, State
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import OF_NAMES
from brokerproof.diagnosis.rules.case import Draft, Red
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.registry import up_to
from brokerproof.topology.patterns import spec_of

_OF_ROUTES: Final = frozenset(
    {
        Code.ROUTE_MISSING_CLIENT,
        Code.ROUTE_MISSING_RETURN,
        Code.ROUTE_MISSING_SUBNET,
        Code.ROUTE_OVERLAP,
        Code.ROUTE_PEERING_NOT_ACTIVE,
        Code.ROUTE_GATEWAY_NOT_ASSOCIATED,
        Code.ROUTE_GATEWAY_NOT_PROPAGATED,
        Code.ROUTE_GATEWAY_BLACKHOLE,
        Code.ROUTE_GATEWAY_STATIC_MISSING,
        Code.ROUTE_GATEWAY_PEERING_PENDING,
        Code.ROUTE_GATEWAY_ZONE_MISSING,
    }
)
_AT_THE_ENTRY: Final = frozenset(
    {
        Code.SECURITY_CLIENT_GROUP,
        Code.SECURITY_ENDPOINT_GROUP,
        Code.SECURITY_ENDPOINT_PORT_RANGE,
        Code.SECURITY_GROUP_REFERENCE,
        Code.ENDPOINT_NOT_AVAILABLE,
        Code.ENDPOINT_ZONE_MISMATCH,
        Code.CONNECTION_NOT_ACTIVE,
    }
)
_BEHIND_IT: Final = frozenset(
    {
        Code.SECURITY_BROKER_GROUP,
        Code.SECURITY_NETWORK_ACL,
        Code.SECURITY_NLB_GROUP,
        Code.SECURITY_NLB_GROUP_EGRESS,
        Code.NLB_LISTENER_MISSING,
        Code.NLB_NO_TARGET,
        Code.NLB_WRONG_TARGET,
        Code.NLB_STALE_TARGET,
        Code.NLB_WRONG_TARGET_PORT,
        Code.NLB_CROSS_ZONE_OFF,
        Code.NLB_PROXY_PROTOCOL,
    }
)
SHOWN: Final = _OF_ROUTES | OF_NAMES | _AT_THE_ENTRY | _BEHIND_IT
"""Causes that the account's configuration would show, had they been it."""
SHOWN_BEFORE_MSKS_OWN: Final = _OF_ROUTES | OF_NAMES | _AT_THE_ENTRY
"""The same where MSK runs the load balancer, which is in no account of the user's."""


_ON_THE_WAY: Final = frozenset(stage for stage in up_to(Stage.API) if stage is not Stage.RESOLVE)
"""Stages that a route, a group, a listener or a target may end; before later ones a broker has answered."""


def with_account(drafts: Sequence[Draft], audit: Audit | None) -> list[Draft]:
    """The drafts with what the account says of the same clients and brokers; of one cause, one."""
    if audit is None:
        return list(drafts)
    named = frozenset(code for draft in drafts for code in draft.codes)
    return _joined([_settled(draft, audit, named) for draft in drafts])


def _settled(draft: Draft, audit: Audit, named: frozenset[Code]) -> Draft:
    met = [found for found in audit.findings if found.sure and _concerns(found, draft.reds)]
    unknown = draft.codes == frozenset({Code.UNKNOWN})
    may_be = _explaining(draft) - named if unknown else draft.codes
    shown = frozenset(found.code for found in met if found.code in may_be)
    if shown:
        says = "; ".join(found.says[0] for found in met if found.code in shown and found.says)
        if shown == draft.codes:
            return replace(draft, account=f"shows the same: {says}")
        return Draft(shown, "" if len(shown) == 1 else draft.wrong, draft.reds, account=f"shows it: {says}")
    if met:
        others = "; ".join(f"{found.says[0]} ({found.code})" for found in met if found.says)
        return replace(draft, account=f"shows something else here: {others}")
    return _struck_out(draft, audit)


def _explaining(draft: Draft) -> frozenset[Code]:
    """What of an account explains failures whose cause packets leave unknown: nothing of it where packets pass."""
    stages = {red.check.stage for red in draft.reds}
    if stages == {Stage.RESOLVE}:
        return OF_NAMES
    return SHOWN - OF_NAMES if stages <= _ON_THE_WAY else frozenset()


def _struck_out(draft: Draft, audit: Audit) -> Draft:
    """Without what the account would have shown, where it was read."""
    doubted = _doubted(draft.reds, audit)
    if doubted is None:
        return draft
    managed = any(spec_of(red.view.pattern).is_managed for red in draft.reds)
    would_show = (draft.codes & (SHOWN_BEFORE_MSKS_OWN if managed else SHOWN)) - doubted
    if not would_show:
        return draft
    left = draft.codes - would_show
    if not left:
        return replace(
            draft,
            account="is open: no route, group, ACL, record or target is in the way, and still no packet passes; look "
            "at changes of the last minutes, at a firewall of another account, and at the client's host",
        )
    struck = f"shows none of {', '.join(sorted(would_show))}"
    return Draft(left, "" if len(left) == 1 else draft.wrong, draft.reds, account=struck)


def _concerns(found: AuditFinding, reds: Iterable[Red]) -> bool:
    """Whether a finding of the audit is about a client and, where it names any, a broker of these checks."""
    return any(
        (not found.clients or red.client in found.clients)
        and (red.check.broker_id is None or not found.broker_ids or red.check.broker_id in found.broker_ids)
        for red in reds
    )


def _doubted(reds: Iterable[Red], audit: Audit) -> frozenset[Code] | None:
    """What the traces of these checks' clients and brokers leave in doubt; None where one is closed, or not known."""
    wanted = {(red.client, red.check.broker_id) for red in reds}
    clients = {client for client, _ in wanted}
    traces = [
        one
        for one in audit.traces
        if one.client in clients and ((one.client, one.broker_id) in wanted or (one.client, None) in wanted)
    ]
    if not traces or any(one.state in {State.CLOSED, State.UNKNOWN} for one in traces):
        return None
    return frozenset(hop.code for one in traces for hop in one.hops if hop.code is not None)


def _joined(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts that the account brought to the same one cause, as one."""
    found: list[Draft] = []
    for draft in drafts:
        same = next(
            (
                place
                for place, other in enumerate(found)
                if other.codes == draft.codes
                and len(draft.codes) == 1
                and Code.UNKNOWN not in draft.codes
                and (other.account or draft.account)
            ),
            None,
        )
        if same is None:
            found.append(draft)
        else:
            one = found[same]
            found[same] = replace(one, reds=(*one.reds, *draft.reds), account=one.account or draft.account)
    return found
