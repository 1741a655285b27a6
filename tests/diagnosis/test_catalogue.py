"""The catalogue is whole: every cause has an entry, every entry of the fault list a cause."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import pytest

from brokerproof.causes import sets
from brokerproof.causes.catalogue import CATALOGUE, CODE_OF, PLACEHOLDERS, Entry, Layer
from brokerproof.causes.codes import Code
from brokerproof.topology.patterns import CLIENT_PATTERNS
from tests.examples import failing
from tools.catalogue_page import PAGE, page

FAULT_LIST = (
    "dns-phz-record-missing",
    "dns-phz-not-associated",
    "dns-phz-not-associated-remote",
    "dns-cross-account-authorization-missing",
    "dns-phz-shadows-region",
    "dns-phz-shadows-msk-api",
    "dns-more-specific-zone-wins",
    "dns-two-clusters-one-zone-name",
    "dns-alias-swapped",
    "dns-all-brokers-one-endpoint",
    "dns-stale-a-record",
    "dns-zonal-alias",
    "dns-regional-alias-cross-zone-off",
    "dns-vpc-attributes-off",
    "dns-custom-resolver-bypass",
    "dns-resolver-rule-overrides-zone",
    "dns-rebind-protection",
    "dns-negative-cache",
    "dns-ipv6-answer-unusable",
    "dns-throttled",
    "dns-port53-blocked",
    "dns-serverless-name-not-visible",
    "dns-mvpc-name-from-unconnected-vpc",
    "route-missing-client",
    "route-missing-return",
    "route-partial-subnets",
    "route-blackhole-peering-deleted",
    "peering-not-active",
    "peering-transitive",
    "peering-overlap-longest-prefix",
    "tgw-attachment-not-associated",
    "tgw-propagation-missing",
    "tgw-static-blackhole",
    "tgw-peering-static-missing",
    "tgw-peering-pending",
    "tgw-attachment-az-missing",
    "tgw-asymmetric-no-appliance-mode",
    "endpoint-az-id-mismatch",
    "sg-broker-missing-client-cidr",
    "sg-broker-wrong-port",
    "sg-peer-reference-stale",
    "sg-reference-cross-region",
    "sg-endpoint-ingress-missing",
    "sg-endpoint-port-range-short",
    "sg-broker-missing-nlb-ips",
    "nlb-sg-enforced-privatelink",
    "nlb-sg-egress-blocks",
    "nacl-ephemeral-return-blocked",
    "nacl-icmp-frag-needed-blocked",
    "sg-change-leaves-tracked-flows",
    "endpoint-pending-acceptance",
    "endpoint-rejected-or-expired",
    "endpoint-principal-not-allowed",
    "nlb-listener-missing",
    "nlb-target-swapped",
    "nlb-target-stale-ip",
    "nlb-cross-zone-off-single-target",
    "nlb-target-wrong-port",
    "nlb-all-unhealthy-fail-open",
    "nlb-bootstrap-listener-partial",
    "nlb-hairpin-client-ip",
    "nlb-proxy-protocol-on",
    "nlb-idle-timeout",
    "nlb-port-allocation-exhausted",
    "conntrack-exhausted",
    "broker-not-listening",
    "syn-loss-flaky-path",
    "tls-name-not-in-cert",
    "tls-bootstrap-by-ip",
    "tls-untrusted-ca",
    "tls-handshake-mtu-blackhole",
    "tls-cert-expired-or-clock",
    "tls-other-cluster",
    "tls-inspection-proxy",
    "tls-client-on-plaintext-port",
    "plaintext-client-on-tls-port",
    "tls-mtls-cert-missing",
    "tls-mtls-wrong-pca",
    "nlb-tls-listener-terminates",
    "tls-sni-required-by-middlebox",
    "tls-version-cipher-mismatch",
    "tls-mvpc-name-depth",
    "auth-wrong-mechanism-port",
    "auth-iam-denied",
    "auth-cluster-policy-missing",
    "auth-too-many-connects",
    "auth-iam-region-mismatch",
    "auth-sts-unreachable",
    "auth-clock-skew",
    "auth-scram-secret-unassociated",
    "acl-denied-topic",
    "acl-brokers-not-granted",
    "auth-principal-changed-reauth",
    "meta-advertised-not-changed",
    "meta-advertised-partial",
    "meta-advertised-port-without-listener",
    "meta-local-clients-broken",
    "meta-listener-dropped",
    "meta-kraft-dynamic-rejected",
    "meta-wrong-listener-altered",
    "meta-new-broker-unplumbed",
    "meta-id-port-drift",
    "meta-custom-domain-unresolvable",
    "meta-dynamic-override-shadows-config",
    "meta-bootstrap-list-subset",
    "meta-stale-after-failover",
    "produce-leader-unreachable",
    "produce-large-only-fails",
    "consume-large-only-fails",
    "consume-coordinator-unreachable",
    "consume-follower-fetch-unreachable",
    "produce-min-isr",
    "consume-empty-wrong-cluster",
    "perf-rtt-window-limited",
    "perf-extra-hop-latency",
    "perf-cross-az-hairpin",
    "perf-bandwidth-shaped",
    "perf-packet-loss",
    "perf-quota-throttle",
    "perf-endpoint-baseline-10g",
    "perf-slow-dns",
    "perf-connection-churn",
    "iso-peering-overexposed",
    "iso-plaintext-open",
    "iso-unapproved-vpc-reaches-cluster",
    "iso-endpoint-service-open",
    "iso-wrong-path-false-pass",
    "iso-overlap-wrong-tenant",
    "iso-allow-everyone",
    "cp-mvpc-inactive",
    "cp-mvpc-rejected",
    "cp-mvpc-scheme-mismatch",
    "cp-mvpc-ordinary-bootstrap-used",
    "cp-cluster-busy",
    "cp-unsupported",
    "cp-audit-permission-gap",
    "cp-list-nodes-pagination",
)


def test_every_code_has_an_entry_and_every_layer_a_name() -> None:
    assert list(CATALOGUE) == list(Code)
    assert {entry.layer for entry in CATALOGUE.values()} == set(Layer)


def test_every_entry_of_the_fault_list_is_one_cause() -> None:
    assert len(set(FAULT_LIST)) == 137
    assert set(CODE_OF) == set(FAULT_LIST)
    told = [fact for entry in CATALOGUE.values() for fact in entry.facts]
    assert len(told) == len(set(told))


def must_say(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", entry.code)
    assert entry.patterns
    assert set(entry.patterns) <= set(CLIENT_PATTERNS)
    assert entry.evidence
    assert not entry.title.endswith(".")
    assert entry.visible == (not entry.seen_by)
    assert all(code in CATALOGUE and code is not entry.code and why for code, why in entry.confused_with)
    if entry.code is not Code.UNKNOWN:
        assert entry.remedy
        assert entry.sources
        assert not entry.remedy.endswith(".")


def names_only_what_is_filled_in(entry: Entry) -> None:
    named = {field for _, field, _, _ in string.Formatter().parse(entry.remedy) if field is not None}
    assert named <= PLACEHOLDERS


@pytest.mark.parametrize("holds", [must_say, names_only_what_is_filled_in])
def test_every_entry_is_whole(holds: Callable[[Entry], None]) -> None:
    assert failing(holds, CATALOGUE) == {}


def test_sets_are_of_causes_that_a_client_sees() -> None:
    named = {name: value for name, value in vars(sets).items() if isinstance(value, frozenset)}
    assert len(named) > 20
    hidden = {(name, code.value) for name, codes in named.items() for code in codes if not CATALOGUE[code].visible}
    assert not hidden


def test_what_is_confused_is_visible_or_says_by_whom() -> None:
    for entry in CATALOGUE.values():
        for code, why in entry.confused_with:
            assert CATALOGUE[code].visible or CATALOGUE[code].seen_by, (entry.code, code, why)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make catalogue"


def test_the_page_has_every_cause() -> None:
    text = page()
    assert all(f"`{code}`" in text for code in Code if code is not Code.UNKNOWN)
