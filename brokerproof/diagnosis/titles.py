"""What checks are called, and what outcomes and addresses are in words. Pure."""

from __future__ import annotations

from brokerproof.probes.outcome import Outcome, Reason, Stage, Status
from brokerproof.topology.expectation.view import AddressView, BootstrapView, BrokerView, ClientView


def known_addresses(view: ClientView) -> dict[str, str]:
    """What each address of the view is, in words."""
    known = {b.eni_address: f"ENI of broker {b.broker_id}" for b in view.brokers if b.eni_address}
    for broker in view.brokers:
        for address in broker.addresses:
            shared = sum(address.address in {a.address for a in b.addresses} for b in view.brokers) > 1
            whose = "" if shared or address.kind == "broker_eni" else f" of broker {broker.broker_id}"
            if address.address not in known or address.kind != "broker_eni":
                known[address.address] = f"{address.owner}{whose}, {address.zone_id}"
    return known


def connection_title(stage: Stage, endpoint: BrokerView | BootstrapView, address: AddressView) -> str:
    """What must hold of one connection."""
    where = f"{address.address}:{endpoint.port}"
    match stage:
        case Stage.CONNECT:
            return f"{where} ({address.owner}, {address.zone_id}) accepts a TCP connection"
        case Stage.HANDSHAKE:
            return f"{where} presents a valid certificate for {endpoint.name}"
        case Stage.API:
            return f"{where} answers ApiVersions"
        case Stage.PATH_SIZE:
            return f"{where} takes and gives packets as large as this host's"
        case Stage.IDLE:
            return f"{where} still answers on a connection that was silent for as long as was asked"
        case _:
            return f"{endpoint.name} at {where} is broker {endpoint.broker_id}"


def reason_text(outcome: Outcome) -> str:
    """Why an outcome is not ok."""
    if outcome.status is Status.SKIPPED and outcome.waited_for is not None:
        waited = outcome.waited_for
        return f"waits for {waited.stage} of {waited.target.name or 'the cluster'} {waited.target.address}".rstrip()
    reason = outcome.reason.value.replace("_", " ") if outcome.reason is not None else "failed"
    took = f" after {outcome.duration_ns / 1e6:.0f} ms" if outcome.reason is Reason.TIMED_OUT else ""
    return f"{reason}{took}{f': {outcome.detail}' if outcome.detail else ''}"
