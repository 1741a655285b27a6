"""What the resolver's answers and the client host's own settings leave of the causes; expected values are literal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, Diagnosis
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import (
    HostFacts,
    HostsEntry,
    LookupFailure,
    OtherAnswer,
    Outcome,
    Reason,
    ResolveFacts,
    Stage,
    UnusableNameserver,
)
from tests.diagnosis.bends import (
    IN_VPC,
    PEERING,
    REFUSED,
    SINGLE,
    named,
    nobodys_address,
    nobodys_name,
    on_host,
    one,
    told,
)
from tests.diagnosis.bent import Bend, Change, answers, at, failed, seen, views_of

PLAIN = HostFacts(nameservers=("10.1.0.2",), name_services=("files", "dns"))
"""A host that asks the resolver that the probe asks, and nobody else."""
VPC_RESOLVER = "10.1.0.2"
"""Of the client ``peered``."""
WRONG = "10.1.99.99"


def diagnosed(
    pattern: str, *bends: Bend, host: HostFacts | None = PLAIN, controls: Sequence[Outcome] = (), client: str = "peered"
) -> Diagnosis:
    return diagnose(on_host([seen(view, *bends) for view in views_of(pattern)], client, host, controls))


def codes_of(diagnosis: Diagnosis) -> list[set[str]]:
    return [{code.value for code in finding.codes} for finding in diagnosis.findings]


def at_peered(change: Change, *brokers: int) -> Bend:
    return Bend(at(Stage.RESOLVE, clients=["peered"], brokers=brokers or None), change)


def names() -> list[str]:
    return [broker.name for view in views_of(PEERING)[:1] for broker in view.brokers]


def elsewhere(o: Outcome) -> Outcome:
    return told(Reason.OS_ANSWER_DIFFERS, os_addresses=(WRONG,))(o)


# The operating system says something else


def test_a_line_in_the_hosts_file_is_the_cause_alone() -> None:
    host = msgspec.structs.replace(PLAIN, hosts_entries=(HostsEntry(name=names()[1], addresses=(WRONG,)),))
    diagnosis = diagnosed(PEERING, at_peered(elsewhere, 2), host=host)
    assert named(diagnosis) == [(one(Code.HOST_HOSTS_ENTRY), {"peered"}, {2})]
    assert f"remove the line for {names()[1]} from /etc/hosts of peered" in diagnosis.findings[0].change


def test_what_the_clients_library_fails_on_follows_from_the_line() -> None:
    """As the lab saw it: the library looks names up by itself, and produced to no broker."""
    host = msgspec.structs.replace(PLAIN, hosts_entries=(HostsEntry(name=names()[1], addresses=(WRONG,)),))
    unsent = Bend(at(Stage.PRODUCE, clients=["peered"]), failed(Reason.TIMED_OUT))
    diagnosis = diagnosed(PEERING, at_peered(elsewhere, 2), unsent, host=host)
    assert codes_of(diagnosis) == [{"host.hosts_entry"}]
    assert "peered/broker-1/produce" in diagnosis.findings[0].consequences


def test_a_line_for_another_name_or_with_another_address_is_no_witness() -> None:
    for entry in (
        HostsEntry(name=names()[0], addresses=(WRONG,)),
        HostsEntry(name=names()[1], addresses=("10.1.1.1",)),
    ):
        host = msgspec.structs.replace(PLAIN, hosts_entries=(entry,))
        [codes] = codes_of(diagnosed(PEERING, at_peered(elsewhere, 2), host=host))
        assert codes == {"host.name_service", "dns.answers_rotate"}


def test_a_suffix_of_the_search_list_is_the_cause_alone() -> None:
    searched = (OtherAnswer(asked=f"{names()[1]}.apps.example", addresses=(WRONG,)),)
    change = told(Reason.OS_ANSWER_DIFFERS, os_addresses=(WRONG,), searched=searched)
    assert codes_of(diagnosed(PEERING, at_peered(change, 2))) == [{"host.search_list"}]


def test_another_nameserver_is_the_cause_where_it_gives_that_answer() -> None:
    change = told(
        Reason.OS_ANSWER_DIFFERS, os_addresses=(WRONG,), elsewhere=(OtherAnswer(asked="10.9.9.9", addresses=(WRONG,)),)
    )
    assert codes_of(diagnosed(PEERING, at_peered(change, 2))) == [{"dns.resolver_bypassed"}]


@pytest.mark.parametrize(
    ("host", "codes"),
    [
        (
            None,
            {
                "host.hosts_entry",
                "host.search_list",
                "host.name_service",
                "dns.resolver_bypassed",
                "dns.answers_rotate",
            },
        ),
        (PLAIN, {"host.name_service", "dns.answers_rotate"}),
        (
            HostFacts(nameservers=("10.1.0.2",), name_services=("files", "mdns4_minimal", "[NOTFOUND=return]", "dns")),
            {"host.name_service", "dns.answers_rotate"},
        ),
        (
            HostFacts(nameservers=("10.1.0.2", "10.9.9.9"), name_services=("files", "dns"), search=("apps.example",)),
            {"dns.resolver_bypassed", "host.search_list", "dns.answers_rotate"},
        ),
        (
            HostFacts(nameservers=("127.0.0.53",), name_services=("files", "resolve", "[!UNAVAIL=return]", "dns")),
            {"dns.resolver_bypassed", "host.name_service", "dns.answers_rotate"},
        ),
    ],
)
def test_what_the_facts_do_not_tell_is_a_set(host: HostFacts | None, codes: set[str]) -> None:
    """Today's word for all of it was one sure ``dns.resolver_bypassed``."""
    assert codes_of(diagnosed(PEERING, at_peered(elsewhere), host=host)) == [codes]


@pytest.mark.parametrize(
    ("services", "codes"),
    [
        (("files",), {"host.name_service"}),
        (("files", "[NOTFOUND=return]", "dns"), {"host.name_service"}),
        (
            ("files", "mdns4_minimal", "[NOTFOUND=return]", "dns"),
            {
                "host.hosts_entry",
                "host.search_list",
                "host.name_service",
                "dns.resolver_bypassed",
                "dns.answers_rotate",
            },
        ),
    ],
)
def test_a_host_that_asks_no_resolver_finds_no_name(services: tuple[str, ...], codes: set[str]) -> None:
    host = msgspec.structs.replace(PLAIN, name_services=services)
    change = told(Reason.OS_RESOLUTION_FAILED, os_addresses=(), os_error="not known", os_failure=LookupFailure.NO_NAME)
    assert codes_of(diagnosed(PEERING, at_peered(change), host=host)) == [codes]


def test_a_name_that_cannot_be_asked_for_is_no_fault_of_a_resolver() -> None:
    change = failed(Reason.OS_RESOLUTION_FAILED, ResolveFacts(resolver=VPC_RESOLVER, rcode=""))
    assert codes_of(diagnosed(PEERING, at_peered(change))) == [{"unknown.at_stage"}]


# Questions without an answer


def test_one_unanswered_question_is_lost_or_dropped_and_not_surely_throttled() -> None:
    unheard = ResolveFacts(resolver=VPC_RESOLVER, rcode="")
    bend = at_peered(failed(Reason.TIMED_OUT, unheard), 2)
    assert codes_of(diagnosed(PEERING, bend)) == [{"dns.queries_throttled", "tcp.packet_loss", "dns.resolver_rule"}]
    heard = msgspec.structs.replace(unheard, os_addresses=("10.0.16.10",))
    bend = at_peered(failed(Reason.TIMED_OUT, heard), 2)
    assert codes_of(diagnosed(PEERING, bend)) == [{"dns.queries_throttled", "tcp.packet_loss"}]


@pytest.mark.parametrize("failure", [LookupFailure.TIMED_OUT, LookupFailure.AGAIN])
def test_an_operating_system_that_heard_nothing_is_a_set_too(failure: LookupFailure) -> None:
    change = told(Reason.OS_RESOLUTION_FAILED, os_addresses=(), os_error="", os_failure=failure)
    lost = {"dns.queries_throttled", "tcp.packet_loss"}
    assert codes_of(diagnosed(PEERING, at_peered(change, 2))) == [lost]
    [codes] = codes_of(diagnosed(PEERING, at_peered(change, 2), host=None))
    assert codes == lost | {"host.name_service", "dns.resolver_bypassed"}


def test_an_answer_too_long_for_the_operating_system_and_no_tcp() -> None:
    change = told(
        Reason.OS_RESOLUTION_FAILED,
        os_addresses=(),
        os_failure=LookupFailure.AGAIN,
        answer_bytes=814,
        tcp_failure=Reason.REFUSED,
    )
    assert codes_of(diagnosed(PEERING, at_peered(change))) == [{"dns.tcp_blocked"}]


def test_a_truncated_answer_and_no_tcp_is_not_a_resolver_that_answers_nothing() -> None:
    facts = ResolveFacts(resolver=VPC_RESOLVER, rcode="", truncated=True, tcp_failure=Reason.REFUSED)
    diagnosis = diagnosed(PEERING, at_peered(failed(Reason.TRUNCATED, facts)))
    assert named(diagnosis) == [(one(Code.DNS_TCP_BLOCKED), {"peered"}, {1, 2, 3})]
    assert "TCP port 53" in diagnosis.findings[0].change


def test_a_slow_resolver_is_slow() -> None:
    change = told(Reason.SLOW, query_ns=3_000_000_000, again_ns=500_000_000)
    diagnosis = diagnosed(PEERING, at_peered(change))
    assert named(diagnosis) == [(one(Code.PERFORMANCE_SLOW_DNS), {"peered"}, {1, 2, 3})]
    assert diagnosis.findings[0].consequences == ()


def test_a_slow_and_wrong_answer_is_wrong_first() -> None:
    def slow_and_wrong(o: Outcome) -> Outcome:
        wrong = answers("10.1.0.77")(o)
        assert wrong is not None
        return told(Reason.SLOW)(wrong)

    bends = (at_peered(slow_and_wrong, 1), at_peered(told(Reason.SLOW), 2, 3))
    assert codes_of(diagnosed(PEERING, *bends)) == [
        {"performance.slow_dns"},
        {"dns.resolver_rule", "dns.stale_record"},
    ]


DEAD = UnusableNameserver(resolver="10.1.0.53", reason=Reason.TIMED_OUT, detail="no answer within 1750 ms")


def test_the_first_of_two_nameservers_is_dead_and_the_finding_says_which() -> None:
    diagnosis = diagnosed(PEERING, at_peered(told(Reason.NAMESERVER_UNUSABLE, unusable=(DEAD,))))
    assert named(diagnosis) == [(one(Code.DNS_NAMESERVER_DEAD), {"peered"}, {1, 2, 3})]
    [found] = diagnosis.findings
    assert "ameserver 10.1.0.53 is of no use; 10.1.0.2, which is asked after it, answers" in found.wrong
    assert "works by the next one" in found.change


def test_a_nameserver_that_missed_one_question_is_not_surely_dead() -> None:
    change = told(Reason.NAMESERVER_UNUSABLE, unusable=(DEAD,))
    bend = at_peered(change, 2)
    either = {"dns.nameserver_dead", "dns.queries_throttled", "tcp.packet_loss"}
    assert codes_of(diagnosed(PEERING, bend)) == [either]
    twice = nobodys_name("x1.example.com")
    assert isinstance(twice.facts, ResolveFacts)
    missed = msgspec.structs.replace(twice, facts=msgspec.structs.replace(twice.facts, unusable=(DEAD,)))
    assert codes_of(diagnosed(PEERING, bend, controls=(missed,))) == [{"dns.nameserver_dead"}]
    assert codes_of(diagnosed(PEERING, bend, controls=(_from(twice, "10.1.0.53"),))) == [
        {"dns.queries_throttled", "tcp.packet_loss"}
    ]


def test_a_nameserver_that_answers_other_names_is_not_dead() -> None:
    change = told(Reason.NAMESERVER_UNUSABLE, unusable=(DEAD,))
    alive = Bend(at(Stage.RESOLVE, clients=["peered"], brokers=[1, 3]), lambda o: _from(o, "10.1.0.53"))
    assert codes_of(diagnosed(PEERING, at_peered(change, 2), alive)) == [{"dns.queries_throttled", "tcp.packet_loss"}]


def _from(o: Outcome, resolver: str) -> Outcome:
    assert isinstance(o.facts, ResolveFacts)
    return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, resolver=resolver))


def test_answers_that_rotate_are_no_other_resolvers() -> None:
    change = told(Reason.ANSWERS_ROTATE, ttl_s=0, os_addresses=(WRONG,), again=(WRONG,))
    diagnosis = diagnosed(PEERING, at_peered(change, 2))
    assert codes_of(diagnosis) == [{"dns.answers_rotate"}]
    assert "one record with all its addresses" in diagnosis.findings[0].change


def test_a_name_without_an_address_is_not_surely_filtered() -> None:
    def empty(resolver: str) -> Bend:
        return at_peered(failed(Reason.NO_DATA, ResolveFacts(resolver=resolver, rcode="NOERROR")))

    assert codes_of(diagnosed(PEERING, empty(VPC_RESOLVER))) == [
        {"dns.private_answers_filtered", "dns.resolver_rule"},
    ]
    assert codes_of(diagnosed(PEERING, empty("10.1.0.53"))) == [
        {"dns.private_answers_filtered", "dns.resolver_bypassed"},
    ]


# What nobody has


DOMAIN = names()[0].partition(".")[2]


def test_a_wildcard_record_answers_for_a_name_without_one() -> None:
    controls = (nobodys_name(f"x1.{DOMAIN}", WRONG), nobodys_name("x1.example.com"))
    assert codes_of(diagnosed(PEERING, at_peered(answers(WRONG), 2), controls=controls)) == [{"dns.wildcard_record"}]


def test_a_captive_resolver_answers_for_everything() -> None:
    controls = (nobodys_name(f"x1.{DOMAIN}", WRONG), nobodys_name("x1.example.com", WRONG))
    assert codes_of(diagnosed(PEERING, at_peered(answers(WRONG)), controls=controls)) == [{"dns.captive_resolver"}]


def test_a_resolver_that_answers_what_nobody_has_is_not_silent() -> None:
    bend = at_peered(failed(Reason.TIMED_OUT, ResolveFacts(resolver=VPC_RESOLVER, rcode="")))
    controls = (nobodys_name("x1.example.com"),)
    assert codes_of(diagnosed(PEERING, bend, controls=controls)) == [{"dns.queries_throttled", "dns.resolver_rule"}]


@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.IDENTITY])
def test_interception_on_the_host_is_named_instead_of_other_teams(stage: Stage) -> None:
    """Field case 13, behind PrivateLink: two sure findings about a load balancer that was well."""
    reason = Reason.CLOSED if stage is Stage.HANDSHAKE else Reason.OTHER_BROKER
    view = next(v for v in views_of(SINGLE) if v.client == "account_b")
    [first, second, *_] = (b.port for b in view.brokers)
    bends = (
        Bend(at(stage, clients=["account_b"], brokers=[1, 2]), failed(reason)),
        Bend(at(Stage.CONNECT, clients=["account_b"], brokers=[3]), REFUSED),
    )
    controls = tuple(
        o
        for port in (first, second, view.brokers[2].port)
        for o in nobodys_address(port, None, "10.1.15.254", "10.1.15.253")
    )
    diagnosis = diagnosed(SINGLE, *bends, controls=controls, client="account_b")
    assert codes_of(diagnosis) == [{"host.intercepted"}]
    assert diagnosis.findings[0].clients == ("account_b",)
    without = codes_of(diagnosed(SINGLE, *bends, client="account_b"))
    assert without
    assert {"host.intercepted"} not in without


def test_one_address_that_accepts_may_be_somebodys_so_it_makes_a_set() -> None:
    view = next(v for v in views_of(SINGLE) if v.client == "account_b")
    port = view.brokers[0].port
    bend = Bend(at(Stage.IDENTITY, clients=["account_b"], brokers=[1]), failed(Reason.OTHER_BROKER))
    controls = (
        *nobodys_address(port, None, "10.1.15.254"),
        *nobodys_address(port, Reason.TIMED_OUT, "10.1.15.253"),
    )
    assert codes_of(diagnosed(SINGLE, bend, controls=controls, client="account_b")) == [
        {"nlb.wrong_target", "host.intercepted"}
    ]


def test_another_broker_is_the_targets_fault_where_two_clients_meet_it_or_nobodys_addresses_are_silent() -> None:
    view = next(v for v in views_of(SINGLE) if v.client == "account_b")

    def at_identity(*clients: str) -> Bend:
        return Bend(at(Stage.IDENTITY, clients=clients, brokers=[1]), failed(Reason.OTHER_BROKER))

    silent = nobodys_address(view.brokers[0].port, Reason.TIMED_OUT, "10.1.15.254", "10.1.15.253")
    either = {"nlb.wrong_target", "host.intercepted"}
    assert codes_of(diagnosed(SINGLE, at_identity("account_b"), client="account_b")) == [either]
    # The others are well at the same target.
    assert codes_of(diagnosed(SINGLE, at_identity("account_b"), controls=silent, client="account_b")) == [either]
    assert codes_of(diagnosed(SINGLE, at_identity("account_b", "overlapping"))) == [{"nlb.wrong_target"}]
    [alone] = [seen(v, at_identity("account_b")) for v in views_of(SINGLE) if v.client == "account_b"]
    assert codes_of(diagnose([alone])) == [either]
    assert codes_of(diagnose(on_host([alone], "account_b", PLAIN, silent))) == [{"nlb.wrong_target"}]


def test_a_refusal_by_nobody_explains_refusals_alone() -> None:
    port = views_of(PEERING)[0].brokers[0].port
    controls = nobodys_address(port, Reason.REFUSED, "10.1.15.254", "10.1.15.253")
    refused = Bend(at(Stage.CONNECT, clients=["peered"]), REFUSED)
    [codes] = codes_of(diagnosed(PEERING, refused, controls=controls))
    assert {"host.intercepted", "cluster.broker_down"} <= codes
    expired = Bend(at(Stage.IDENTITY, clients=["peered"], brokers=[1]), failed(Reason.OTHER_BROKER))
    assert all("host.intercepted" not in codes for codes in codes_of(diagnosed(PEERING, expired, controls=controls)))


def test_on_loopback_a_refusal_of_the_hosts_own_says_nothing() -> None:
    port = views_of(PEERING)[0].brokers[0].port
    refused = Bend(at(Stage.CONNECT, clients=["peered"]), REFUSED)
    controls = nobodys_address(port, Reason.REFUSED, "127.113.7.31", "127.113.7.47")
    assert all("host.intercepted" not in codes for codes in codes_of(diagnosed(PEERING, refused, controls=controls)))


def test_what_nobody_has_makes_no_check_and_no_finding_where_all_is_well() -> None:
    port = views_of(PEERING)[0].brokers[0].port
    controls = (
        nobodys_name(f"x1.{DOMAIN}"),
        nobodys_name("x1.example.com", "198.51.100.9"),
        *nobodys_address(port, Reason.TIMED_OUT, "10.1.15.254", "10.1.15.253"),
        *nobodys_address(port + 1, None, "10.1.15.254"),
    )
    assert diagnosed(PEERING, controls=controls) == Diagnosis(answer=Answer.NOTHING_WRONG)
    view = views_of(IN_VPC)[0]
    outcomes = seen(view).outcomes
    assert judge(view, RunOutcomes((*outcomes, *controls))) == judge(view, RunOutcomes(outcomes))
