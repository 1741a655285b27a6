"""What checks are called, and what outcomes and addresses are in words. Pure."""

from __future__ import annotations

from brokerproof.probes.outcome import Outcome, Reason, Stage, Status
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.topology.expectation.view import AddressView, BootstrapView, BrokerView, ClientView


def known_addresses(view: ClientView) -> dict[str, str]:
    """What each address of the view is, in words."""
    known = {b.eni_address: f"ENI of broker {b.broker_id}" for b in view.brokers if b.eni_address}
    for broker in view.brokers:
        for address in broker.addresses:
            shared = sum(address.address in {a.address for a in b.addresses} for b in view.brokers) > 1
            whose = "" if shared or address.kind == "broker_eni" else f" of broker {broker.broker_id}"
            if address.address not in known or address.kind != "broker_eni":
                zone = f", {address.zone_id}" if address.zone_id else ""
                known[address.address] = f"{address.owner}{whose}{zone}"
    return known


def connection_title(stage: Stage, endpoint: BrokerView | BootstrapView, address: AddressView) -> str:
    """What must hold of one connection."""
    title = SPECS[stage].title if address.zone_id else SPECS[stage].title.replace(", {zone_id}", "")
    return title.format(
        name=endpoint.name,
        port=endpoint.port,
        broker_id=endpoint.broker_id,
        address=address.address or "its address",
        owner=address.owner,
        zone_id=address.zone_id,
    )


def broker_title(stage: Stage, broker: BrokerView) -> str:
    """What must hold of one broker."""
    return SPECS[stage].title.format(name=broker.name, port=broker.port, broker_id=broker.broker_id)


def reason_text(outcome: Outcome) -> str:
    """Why an outcome is not ok."""
    if outcome.status is Status.SKIPPED and outcome.waited_for is not None:
        waited = outcome.waited_for
        return f"waits for {waited.stage} of {waited.target.name or 'the cluster'} {waited.target.address}".rstrip()
    reason = outcome.reason.value.replace("_", " ") if outcome.reason is not None else "failed"
    took = f" after {outcome.duration_ns / 1e6:.0f} ms" if outcome.reason is Reason.TIMED_OUT else ""
    return f"{reason}{took}{f': {outcome.detail}' if outcome.detail else ''}"
