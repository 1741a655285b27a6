"""Advice: the path is right, and some clients fail on it. It turns nothing red and changes no answer."""

from __future__ import annotations

import re

import msgspec
import pytest

from brokerproof.diagnosis.advice.advice import Advice, AdviceCode
from brokerproof.diagnosis.advice.registry import ADVICES
from brokerproof.diagnosis.advice.spec import AdviceSpec
from brokerproof.diagnosis.advice.text import told
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, Diagnosis
from brokerproof.probes.outcome import (
    HandshakeFacts,
    IdentityFacts,
    Outcome,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    WithoutSni,
)
from tests.diagnosis.bends import EVERYONE, NO_NAME, SILENT, advertise
from tests.diagnosis.bent import Bend, at, diagnosis_of, seen, views_of


def denied(o: Outcome) -> Outcome:
    """A has an answer, and for AAAA there is no such name."""
    assert isinstance(o.facts, ResolveFacts)
    return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, aaaa_rcode="NXDOMAIN"))


DENIED = Bend(at(Stage.RESOLVE, clients=["account_b"]), denied)


def advised(diagnosis: Diagnosis) -> list[tuple[AdviceCode, set[str]]]:
    return [(advice.code, set(advice.clients)) for advice in diagnosis.advices]


def test_a_healthy_run_has_none() -> None:
    assert diagnosis_of(views_of("privatelink_single_nlb")).advices == ()


def test_nxdomain_for_aaaa_beside_an_a_record() -> None:
    diagnosis = diagnosis_of(views_of("privatelink_single_nlb"), DENIED)
    [advice] = diagnosis.advices
    assert dict(told(advice)) == {
        "who fails": (
            "The path is right; programs on musl libc (Alpine images, in any language) fail on it, because NXDOMAIN "
            "denies the whole name and not one type of record, so they drop the A record too; glibc and this probe "
            "keep it."
        ),
        "observed": (
            "10.1.0.2 on b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com: 10.1.0.150, 10.1.16.150, 10.1.32.150 for "
            "A, NXDOMAIN for AAAA; 10.1.0.2 on b-2.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com: 10.1.0.150, "
            "10.1.16.150, 10.1.32.150 for A, NXDOMAIN for AAAA; 10.1.0.2 on "
            "b-3.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com: 10.1.0.150, 10.1.16.150, 10.1.32.150 for A, NXDOMAIN "
            "for AAAA"
        ),
        "change": (
            "let what answers AAAA there (a filter of IPv6 answers, a template, a forwarder) answer NOERROR without a "
            "record; until then, use images with glibc"
        ),
        "evidence": "account_b/broker-1/resolve, account_b/broker-2/resolve, account_b/broker-3/resolve",
        "sources": (
            "RFC 4074, section 4.2; RFC 8020, section 2; musl 1.2, src/network/lookup_name.c; axeII/home-ops pull "
            "request 3806"
        ),
    }
    assert advice.title == ("The resolver denies that names with an A record exist, when it is asked for AAAA.")


def test_it_turns_nothing_red_and_changes_no_answer() -> None:
    views = views_of("privatelink_single_nlb")
    diagnosis = diagnosis_of(views, DENIED)
    assert (diagnosis.answer, diagnosis.findings, diagnosis.unexplained) == (Answer.NOTHING_WRONG, (), ())
    assert {check.verdict for view in views for check in seen(view, DENIED).checks} == {Verdict.PASSED}


def test_it_stands_beside_findings_and_changes_none() -> None:
    broken = Bend(at(Stage.CONNECT, clients=["overlapping"]), SILENT)
    views = views_of("privatelink_single_nlb")
    both = diagnosis_of(views, broken, DENIED)
    assert both.findings == diagnosis_of(views, broken).findings
    assert both.answer is Answer.FINDINGS
    assert advised(both) == [(AdviceCode.DNS_AAAA_DENIED, {"account_b"})]


def test_a_name_that_does_not_exist_at_all_is_a_finding_and_no_advice() -> None:
    nobody = Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[2]), NO_NAME)
    assert diagnosis_of(views_of("privatelink_single_nlb"), nobody).advices == ()


def test_other_answers_for_aaaa_are_no_advice() -> None:
    def no_data(o: Outcome) -> Outcome:
        assert isinstance(o.facts, ResolveFacts)
        return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, aaaa_rcode="NOERROR"))

    assert diagnosis_of(views_of("peering"), Bend(at(Stage.RESOLVE), no_data)).advices == ()


def test_names_that_are_not_the_clusters_are_no_advice() -> None:
    other = Bend(lambda _v, o: o.stage is Stage.RESOLVE and o.target.role is Role.OTHER, denied)
    assert diagnosis_of(views_of("privatelink_single_nlb"), other).advices == ()


def test_all_clients_of_a_cluster_share_one() -> None:
    diagnosis = diagnosis_of(views_of("privatelink_single_nlb"), Bend(at(Stage.RESOLVE), denied))
    assert advised(diagnosis) == [(AdviceCode.DNS_AAAA_DENIED, EVERYONE)]


def test_the_order_of_clients_does_not_matter() -> None:
    found = [seen(view, Bend(at(Stage.RESOLVE), denied)) for view in views_of("peering")]
    assert diagnose(found) == diagnose(found[::-1])


def test_a_run_cut_short_has_its_advice_and_not_enough_seen() -> None:
    view = next(view for view in views_of("privatelink_single_nlb") if view.client == "account_b")
    diagnosis = diagnose([seen(view, DENIED, complete=False, keep=10)])
    assert diagnosis.answer is Answer.NOT_ENOUGH_SEEN
    assert advised(diagnosis) == [(AdviceCode.DNS_AAAA_DENIED, {"account_b"})]


def test_it_is_a_value_of_the_document() -> None:
    diagnosis = diagnosis_of(views_of("privatelink_single_nlb"), DENIED)
    assert msgspec.json.decode(msgspec.json.encode(diagnosis), type=Diagnosis) == diagnosis
    assert isinstance(diagnosis.advices[0], Advice)


def test_every_code_is_declared_once() -> None:
    assert [spec.code for spec in ADVICES] == list(AdviceCode)


@pytest.mark.parametrize("spec", ADVICES, ids=lambda spec: spec.code.value)
def test_a_declaration_says_what_it_must(spec: AdviceSpec) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", spec.code)
    assert all((spec.affected, spec.because, spec.change, spec.sources))
    assert not any(words.endswith(".") for words in (spec.title, spec.because, spec.change, *spec.affected))


def without_sni(told: WithoutSni) -> Bend:
    return Bend(
        at(Stage.HANDSHAKE, clients=["account_b"], brokers=[1]),
        lambda o: msgspec.structs.replace(o, facts=HandshakeFacts(sni="b", sha256="own", without_sni=told)),
    )


REFUSED_WITHOUT = WithoutSni(reason=Reason.ALERT, detail="alert 112 unrecognized name")


def test_a_server_or_path_that_needs_the_server_name() -> None:
    diagnosis = diagnosis_of(views_of("privatelink_single_nlb"), without_sni(REFUSED_WITHOUT))
    assert diagnosis.answer is Answer.NOTHING_WRONG
    [advice] = diagnosis.advices
    assert advice.code is AdviceCode.TLS_SNI_NEEDED
    assert advice.clients == ("account_b",)
    assert advice.observed.startswith("10.1.0.150:8443 without a server name: alert: alert 112 unrecognized name")
    assert "clients that are given an address instead of a name" in advice.sentence


@pytest.mark.parametrize(
    "told",
    [WithoutSni(sha256="own"), WithoutSni(sha256="another that is right too"), WithoutSni(reason=Reason.TIMED_OUT)],
    ids=["the same", "another certificate that is right", "merely slow"],
)
def test_what_serves_clients_without_a_server_name_is_no_advice(told: WithoutSni) -> None:
    assert diagnosis_of(views_of("privatelink_single_nlb"), without_sni(told)).advices == ()


def long(**facts: object) -> Bend:
    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, ResolveFacts)
        return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, **facts))

    return Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[2]), change)


NAME_2 = "b-2.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("facts", "observed"),
    [
        ({"answer_bytes": 814}, f"10.1.0.2 on {NAME_2}: 814 bytes"),
        ({"answer_bytes": 1814, "truncated": True}, f"10.1.0.2 on {NAME_2}: 1,814 bytes, cut short over UDP"),
        (
            {"answer_bytes": 814, "tcp_failure": Reason.REFUSED},
            f"10.1.0.2 on {NAME_2}: 814 bytes, and over TCP port 53 is refused",
        ),
    ],
)
def test_an_answer_of_more_than_512_bytes(facts: dict[str, object], observed: str) -> None:
    diagnosis = diagnosis_of(views_of("privatelink_single_nlb"), long(**facts))
    assert advised(diagnosis) == [(AdviceCode.DNS_LONG_ANSWER, {"account_b"})]
    assert diagnosis.advices[0].observed == observed
    assert diagnosis.answer is Answer.NOTHING_WRONG


def test_an_answer_of_512_bytes_is_not_too_long() -> None:
    assert diagnosis_of(views_of("privatelink_single_nlb"), long(answer_bytes=512)).advices == ()


def test_a_name_that_is_advertised_with_a_final_dot() -> None:
    """Field case 7: the path is green, and librdkafka 2.6.1 and 2.0.2 end in a TLS alert."""
    diagnosis = diagnosis_of(views_of("peering"), advertise(2, f"{NAME_2}.", 9094))
    assert advised(diagnosis) == [(AdviceCode.METADATA_FINAL_DOT, {"cluster_vpc", "peered", "remote_by_peering"})]
    [advice] = diagnosis.advices
    assert advice.observed == f"broker 2 is advertised as {NAME_2}.:9094"
    assert advice.evidence == (
        "cluster_vpc/broker-2/metadata",
        "peered/broker-2/metadata",
        "remote_by_peering/broker-2/metadata",
    )
    assert "librdkafka 2.6.1 and 2.0.2" in advice.sentence
    assert (diagnosis.answer, diagnosis.findings) == (Answer.NOTHING_WRONG, ())


def test_a_final_dot_that_a_broker_told_another_client_of() -> None:
    told_so = IdentityFacts(answered_by=2, advertised_listeners=f"CLIENT_SECURE://{NAME_2}.:9094")
    tells = Bend(
        at(Stage.IDENTITY, clients=["cluster_vpc"], brokers=[2]), lambda o: msgspec.structs.replace(o, facts=told_so)
    )
    diagnosis = diagnosis_of(views_of("peering"), tells)
    assert advised(diagnosis) == [(AdviceCode.METADATA_FINAL_DOT, {"cluster_vpc", "peered", "remote_by_peering"})]
