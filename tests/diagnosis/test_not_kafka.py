"""What listens at a broker's place and is no broker has a cause of its own; what only ends connections has a set."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.finding import Finding
from brokerproof.probes.outcome import ApiFacts, HandshakeFacts, Outcome, Reason, Role, Stage
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import DIRECT, EVERYONE, IN_VPC, MULTI, OUTSIDE, PEERING, SINGLE, handshake, one
from tests.diagnosis.bent import Bend, Change, at, diagnosis_of, failed, views_of
from tests.diagnosis.perfect import outcome

HTTP = r"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n"
PAGE = '<!DOCTYPE HTML>\\n<html lang="en">'
SSH = r"SSH-2.0-OpenSSH_9.2p1\r\n"
ALERT = r"\x15\x03\x03\x00\x02\x02P"


def answered(reason: Reason, said: str = "", **facts: object) -> Change:
    return failed(reason, ApiFacts(first_bytes=said, **facts))  # type: ignore[arg-type]


def plaintext() -> tuple[ClientView, ...]:
    return tuple(msgspec.structs.replace(view, tls=False) for view in views_of(IN_VPC))


def only(findings: tuple[Finding, ...]) -> Finding:
    [found] = findings
    return found


@pytest.mark.parametrize(
    ("said", "protocol"),
    [(HTTP, "HTTP"), (PAGE, "HTTP"), (SSH, "SSH"), (r"220 mail.example ESMTP\r\n", "another protocol")],
)
@pytest.mark.parametrize("pattern", [PEERING, SINGLE])
@pytest.mark.parametrize("reason", [Reason.NOT_TLS, Reason.TIMED_OUT])
def test_what_answers_a_client_hello_in_another_protocol(
    pattern: str, said: str, protocol: str, reason: Reason
) -> None:
    bend = Bend(at(Stage.HANDSHAKE, brokers=[2]), handshake(reason, problems=(), first_bytes=said))
    found = only(diagnosis_of(views_of(pattern), bend).findings)
    assert found.codes == (Code.TCP_NOT_KAFKA,)
    assert found.broker_ids == (2,)
    assert found.wrong.startswith(f"What listens there speaks {protocol}, not Kafka (")
    assert "security.protocol" not in found.change


def test_one_target_of_the_bootstrap_group_that_is_a_web_server() -> None:
    def on_b_1(_view: ClientView, o: Outcome) -> bool:
        return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"

    bend = Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.NOT_TLS, problems=(), first_bytes=HTTP))
    found = only(diagnosis_of(views_of(SINGLE), bend).findings)
    assert (found.codes, set(found.clients)) == ((Code.TCP_NOT_KAFKA,), EVERYONE)


@pytest.mark.parametrize("first_bytes", [r"\x00\x00\x00\n", ""])
@pytest.mark.parametrize("brokers", [[2], [1, 2, 3]])
def test_bytes_that_are_no_text_leave_a_set(first_bytes: str, brokers: list[int]) -> None:
    said = handshake(Reason.NOT_TLS, problems=(), first_bytes=first_bytes)
    found = only(diagnosis_of(views_of(IN_VPC), Bend(at(Stage.HANDSHAKE, brokers=brokers), said)).findings)
    assert set(found.codes) == {Code.TCP_NOT_KAFKA, Code.TLS_PLAINTEXT_LISTENER}


@pytest.mark.parametrize(
    ("reason", "said", "facts", "codes"),
    [
        (Reason.NOT_KAFKA, HTTP, {}, {Code.TCP_NOT_KAFKA}),
        (Reason.TIMED_OUT, PAGE, {}, {Code.TCP_NOT_KAFKA}),
        (Reason.CLOSED, SSH, {}, {Code.TCP_NOT_KAFKA}),
        (Reason.NOT_KAFKA, r"J\x00\x00\x00\n8.0.36\x00", {}, {Code.TCP_NOT_KAFKA}),
        (Reason.NOT_KAFKA, ALERT, {}, {Code.TLS_PLAINTEXT_CLIENT}),
        (Reason.NOT_KAFKA, "", {}, {Code.TLS_PLAINTEXT_CLIENT, Code.TCP_NOT_KAFKA}),
        (Reason.CLOSED, "", {"answers_tls": True}, {Code.TLS_PLAINTEXT_CLIENT}),
        (
            Reason.CLOSED,
            "",
            {"answers_tls": False},
            {Code.TCP_NOT_KAFKA, Code.TCP_CUT_ON_THE_WAY, Code.CLUSTER_CONNECTION_LIMIT},
        ),
        (
            Reason.RESET,
            "",
            {},
            {
                Code.TLS_PLAINTEXT_CLIENT,
                Code.TCP_NOT_KAFKA,
                Code.TCP_CUT_ON_THE_WAY,
                Code.CLUSTER_CONNECTION_LIMIT,
            },
        ),
    ],
)
def test_what_answers_a_plaintext_client(reason: Reason, said: str, facts: dict[str, object], codes: set[Code]) -> None:
    found = only(diagnosis_of(plaintext(), Bend(at(Stage.API), answered(reason, said, **facts))).findings)
    assert set(found.codes) == codes
    if said in {HTTP, PAGE, SSH}:
        assert "security.protocol" not in found.change + found.next_step


def test_an_odd_answer_in_kafkas_own_frame_is_not_another_protocol() -> None:
    said = answered(Reason.NOT_KAFKA, r"\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00")
    found = only(diagnosis_of(plaintext(), Bend(at(Stage.API), said)).findings)
    assert found.codes == (Code.UNKNOWN,)


def shown(sha256: str) -> Change:
    return lambda o: outcome(o.stage, o.target, facts=HandshakeFacts(sni="b", sha256=sha256, issuer="CN=ca"))


@pytest.mark.parametrize(
    ("elsewhere", "reason", "said", "codes"),
    [
        ("other", Reason.NOT_KAFKA, HTTP, {Code.TCP_NOT_KAFKA, Code.TLS_INSPECTED}),
        ("same", Reason.NOT_KAFKA, HTTP, {Code.TCP_NOT_KAFKA}),
        ("other", Reason.CLOSED, "", {Code.TCP_NOT_KAFKA, Code.TLS_INSPECTED}),
        ("same", Reason.CLOSED, "", {Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY}),
    ],
)
def test_tls_that_is_good_and_no_kafka_behind_it(elsewhere: str, reason: Reason, said: str, codes: set[Code]) -> None:
    bends = [
        Bend(at(Stage.HANDSHAKE, brokers=[1, 3]), shown(elsewhere)),
        Bend(at(Stage.HANDSHAKE, brokers=[2]), shown("same")),
        Bend(at(Stage.API, brokers=[2]), answered(reason, said)),
    ]
    found = [f for f in diagnosis_of(views_of(IN_VPC), *bends).findings if f.stage is Stage.API]
    assert [set(f.codes) for f in found] == [codes]


# Ended without a word


ENDED = {Code.TCP_CUT_ON_THE_WAY, Code.CLUSTER_CONNECTION_LIMIT}


@pytest.mark.parametrize("reason", [Reason.CLOSED, Reason.RESET])
def test_ended_at_one_address_while_others_speak_with_the_broker(reason: Reason) -> None:
    """RST 100 ms after the connection was accepted, at one address."""

    def in_zone_1(view: ClientView, o: Outcome) -> bool:
        return {a.address: a.zone_id for b in view.brokers for a in b.addresses}[o.target.address] == "use1-az1"

    bend = Bend(
        at(Stage.HANDSHAKE, clients=["account_b"], brokers=[1], where=in_zone_1), handshake(reason, problems=())
    )
    found = only(diagnosis_of(views_of(MULTI), bend).findings)
    assert (set(found.codes), set(found.clients), found.broker_ids) == (ENDED, {"account_b"}, (1,))


@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        (True, {Code.TLS_PLAINTEXT_LISTENER}),
        (False, ENDED),
        (None, ENDED | {Code.TLS_PLAINTEXT_LISTENER}),
    ],
)
def test_a_plaintext_listener_is_sure_where_kafka_answers_without_tls(answers: bool | None, codes: set[Code]) -> None:
    ended = handshake(Reason.CLOSED, problems=(), answers_plaintext=answers)
    found = only(diagnosis_of(views_of(PEERING), Bend(at(Stage.HANDSHAKE), ended)).findings)
    assert (set(found.codes), set(found.clients)) == (codes, DIRECT)


def test_a_target_port_without_tls_behind_the_load_balancer() -> None:
    ended = handshake(Reason.CLOSED, problems=(), answers_plaintext=True)
    found = only(diagnosis_of(views_of(MULTI), Bend(at(Stage.HANDSHAKE, clients=OUTSIDE, brokers=[2]), ended)).findings)
    assert found.codes == (Code.NLB_WRONG_TARGET_PORT,)
    found = only(diagnosis_of(views_of(SINGLE), Bend(at(Stage.HANDSHAKE, brokers=[2]), ended)).findings)
    assert frozenset(found.codes) == one(Code.NLB_WRONG_TARGET_PORT, Code.TLS_PLAINTEXT_LISTENER)
