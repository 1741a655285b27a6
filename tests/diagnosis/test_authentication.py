"""Findings of the login: what brokers answer, by message and mechanism, and who else is asked."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.check import Verdict
from brokerproof.probes.outcome import (
    ApiFacts,
    AuthenticateFacts,
    CallerFacts,
    ClientCertificateFacts,
    HandshakeFacts,
    NonceFacts,
    Reason,
    Stage,
    StsAnswer,
    TokenFacts,
    TokenFlaw,
)
from tests.diagnosis.bends import IN_VPC, MANAGED, SINGLE
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, seen, views_of


def scram(pattern: str, *bends: Bend) -> set[frozenset[Code]]:
    return {
        frozenset(each.codes)
        for each in diagnosis_of(views_of(pattern, authentication="scram_sha_512"), *bends).findings
    }


def login(reason: Reason, brokers: list[int] | None = None, **facts: object) -> Bend:
    return Bend(at(Stage.AUTHENTICATE, brokers=brokers), failed(reason, AuthenticateFacts(**facts)))  # type: ignore[arg-type]


def test_a_client_that_logs_in_is_asked_whether_it_could() -> None:
    for scheme, stages in (("none", 0), ("scram_sha_512", 3)):
        [view] = views_of(IN_VPC, authentication=scheme)
        checks = [each for each in seen(view).checks if each.stage is Stage.AUTHENTICATE]
        assert len(checks) == stages
        assert all(each.verdict is Verdict.PASSED for each in checks)


def test_what_follows_a_refused_login_waits_for_it() -> None:
    [view] = views_of(IN_VPC, authentication="scram_sha_512")
    checks = seen(view, login(Reason.CREDENTIALS_REFUSED, [2])).checks
    by_id = {each.check_id: each for each in checks}
    assert by_id["broker-2/identity/broker-eni"].blocked_by == "broker-2/authenticate/broker-eni"
    assert by_id["broker-1/identity/broker-eni"].verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("bend", "codes"),
    [
        (login(Reason.CREDENTIALS_REFUSED), {Code.AUTH_SCRAM_SECRET}),
        (login(Reason.CREDENTIALS_REFUSED, messages=1), {Code.AUTH_SCRAM_PASSWORD}),
        (login(Reason.CREDENTIALS_REFUSED, [2], messages=1), {Code.AUTH_SCRAM_SECRET, Code.AUTH_SCRAM_PASSWORD}),
        (login(Reason.MECHANISM_NOT_OFFERED, offered=("OAUTHBEARER",)), {Code.AUTH_MECHANISM}),
        (login(Reason.NO_CREDENTIALS), {Code.AUTH_NO_CREDENTIALS}),
        (
            login(Reason.NO_CREDENTIALS, token=TokenFacts(flaws=(TokenFlaw.CREDENTIALS_ENDED,))),
            {Code.AUTH_IAM_EXPIRED},
        ),
        (login(Reason.STS_UNREACHABLE), {Code.AUTH_STS_UNREACHABLE}),
        (login(Reason.TIMED_OUT), {Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS}),
        (login(Reason.CLOSED), {Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY}),
        (login(Reason.SERVER_NOT_PROVED), {Code.TCP_NOT_KAFKA, Code.TLS_INSPECTED}),
        (login(Reason.KAFKA_ERROR), {Code.UNKNOWN}),
    ],
)
def test_a_refused_login_is_told_by_what_was_answered(bend: Bend, codes: set[Code]) -> None:
    assert scram(IN_VPC, bend) == {frozenset(codes)}


IN_NAME = TokenFacts(broker_region_name="us-east-1", access_key_id="AKIA...MNOP")
SAID_ALIKE = {
    Code.AUTH_IAM_DENIED,
    Code.AUTH_CLUSTER_POLICY,
    Code.AUTH_IAM_KEY,
    Code.AUTH_IAM_SECRET,
    Code.AUTH_CLOCK_SKEW,
}
OWN = "arn:aws:sts::111111111111:assumed-role/app/s"
FOREIGN = OWN.replace("1" * 12, "2" * 12)


def known(ahead_s: int | None = 0, arn: str = OWN) -> CallerFacts:
    """STS takes the credentials, of the cluster's account where nothing else is said."""
    return CallerFacts(StsAnswer.ACCEPTED, caller_arn=arn, clock_ahead_s=ahead_s)


@pytest.mark.parametrize(
    ("token", "caller", "codes"),
    [
        (IN_NAME, None, SAID_ALIKE),
        (IN_NAME, CallerFacts(StsAnswer.NOT_REACHED), SAID_ALIKE),
        (IN_NAME, CallerFacts(StsAnswer.OTHER_ERROR, "AccessDenied", clock_ahead_s=0), SAID_ALIKE),
        (TokenFacts(access_key_id="AKIA...MNOP"), None, SAID_ALIKE | {Code.AUTH_IAM_REGION}),
        (
            msgspec.structs.replace(IN_NAME, access_key_id="ASIA...MNOP"),
            None,
            SAID_ALIKE | {Code.AUTH_IAM_EXPIRED},
        ),
        (
            msgspec.structs.replace(IN_NAME, access_key_id="ASIA...MNOP", credentials_end="2026-01-01T00:00:00+00:00"),
            None,
            SAID_ALIKE,
        ),
        (IN_NAME, CallerFacts(StsAnswer.KEY_UNKNOWN), {Code.AUTH_IAM_KEY}),
        (IN_NAME, CallerFacts(StsAnswer.SESSION_ENDED), {Code.AUTH_IAM_EXPIRED}),
        (IN_NAME, CallerFacts(StsAnswer.REQUEST_EXPIRED), {Code.AUTH_CLOCK_SKEW}),
        *(
            (IN_NAME, CallerFacts(StsAnswer.SIGNATURE_REFUSED, clock_ahead_s=ahead_s), codes)
            for ahead_s, codes in (
                (0, {Code.AUTH_IAM_SECRET}),
                (-299, {Code.AUTH_IAM_SECRET}),
                (299, {Code.AUTH_IAM_SECRET}),
                (300, {Code.AUTH_IAM_SECRET, Code.AUTH_CLOCK_SKEW}),
                (-900, {Code.AUTH_IAM_SECRET, Code.AUTH_CLOCK_SKEW}),
                (-901, {Code.AUTH_CLOCK_SKEW}),
                (901, {Code.AUTH_CLOCK_SKEW}),
                (None, {Code.AUTH_IAM_SECRET, Code.AUTH_CLOCK_SKEW}),
            )
        ),
        (IN_NAME, known(), {Code.AUTH_IAM_DENIED}),
        (IN_NAME, known(arn=FOREIGN), {Code.AUTH_IAM_DENIED, Code.AUTH_CLUSTER_POLICY}),
        (IN_NAME, known(arn="?"), {Code.AUTH_IAM_DENIED, Code.AUTH_CLUSTER_POLICY}),
        (msgspec.structs.replace(IN_NAME, caller_arn=OWN), None, SAID_ALIKE - {Code.AUTH_CLUSTER_POLICY}),
        (msgspec.structs.replace(IN_NAME, caller_arn=FOREIGN), None, SAID_ALIKE),
        (TokenFacts(), known(), {Code.AUTH_IAM_DENIED, Code.AUTH_IAM_REGION}),
        (IN_NAME, known(400), {Code.AUTH_IAM_DENIED, Code.AUTH_CLOCK_SKEW}),
        (IN_NAME, known(None), {Code.AUTH_IAM_DENIED, Code.AUTH_CLOCK_SKEW}),
    ],
)
def test_access_denied_is_told_by_what_sts_says_of_the_credentials(
    token: TokenFacts, caller: CallerFacts | None, codes: set[Code]
) -> None:
    bend = login(Reason.CREDENTIALS_REFUSED, token=token, caller=caller)
    found = diagnosis_of(views_of(IN_VPC, authentication="iam"), bend).findings
    assert {frozenset(each.codes) for each in found} == {frozenset(codes)}


@pytest.mark.parametrize(
    ("own_key", "refused", "arn", "codes"),
    [
        ("AKIA...MNOP", False, OWN, {Code.AUTH_CLUSTER_POLICY}),
        ("AKIA...MNOP", False, FOREIGN, {Code.AUTH_CLUSTER_POLICY}),
        ("AKIA...QRST", False, OWN, {Code.AUTH_CLUSTER_POLICY, Code.AUTH_IAM_DENIED}),
        ("...", False, OWN, {Code.AUTH_CLUSTER_POLICY, Code.AUTH_IAM_DENIED}),
        ("AKIA...MNOP", True, OWN, {Code.AUTH_IAM_DENIED}),
        ("AKIA...MNOP", True, FOREIGN, {Code.AUTH_CLUSTER_POLICY, Code.AUTH_IAM_DENIED}),
    ],
)
def test_the_clusters_own_listener_tells_whose_policy_it_is(
    own_key: str, refused: bool, arn: str, codes: set[Code]
) -> None:
    caller = known(arn=arn)
    key = "..." if own_key == "..." else IN_NAME.access_key_id
    token = msgspec.structs.replace(IN_NAME, access_key_id=key)
    denied = failed(Reason.CREDENTIALS_REFUSED, AuthenticateFacts(token=token, caller=caller))
    own = AuthenticateFacts(token=msgspec.structs.replace(IN_NAME, access_key_id=own_key))
    bends = [
        Bend(at(Stage.AUTHENTICATE, clients=["account_b", "overlapping"]), denied),
        Bend(
            at(Stage.AUTHENTICATE, clients=["cluster_vpc"]),
            denied if refused else lambda o: msgspec.structs.replace(o, facts=own),
        ),
    ]
    found = diagnosis_of(views_of(MANAGED, authentication="iam"), *bends).findings
    assert {frozenset(each.codes) for each in found} == {frozenset(codes)}


def test_a_login_that_one_broker_takes_and_another_does_not_is_no_cluster_policy() -> None:
    """Both are asked the same policies: nothing is struck out where the listener is the cluster's own."""
    facts = AuthenticateFacts(token=IN_NAME, caller=known(arn=FOREIGN))
    taken = Bend(at(Stage.AUTHENTICATE, brokers=[1]), lambda o: msgspec.structs.replace(o, facts=facts))
    refused = Bend(at(Stage.AUTHENTICATE, brokers=[2]), failed(Reason.CREDENTIALS_REFUSED, facts))
    found = diagnosis_of(views_of(IN_VPC, authentication="iam"), taken, refused).findings
    assert {frozenset(each.codes) for each in found} == {frozenset({Code.AUTH_IAM_DENIED, Code.AUTH_CLUSTER_POLICY})}


def test_behind_a_load_balancer_another_listener_may_be_the_target() -> None:
    found = scram(SINGLE, login(Reason.MECHANISM_NOT_OFFERED))
    assert found == {frozenset({Code.AUTH_MECHANISM, Code.NLB_WRONG_TARGET_PORT})}


def test_the_sentence_says_what_the_listener_has() -> None:
    views = views_of(SINGLE, authentication="scram_sha_512")
    found = diagnosis_of(views, login(Reason.MECHANISM_NOT_OFFERED, offered=("OAUTHBEARER",)))
    assert "has OAUTHBEARER, not what the client logs in with" in found.findings[0].wrong


# Advice


def nonce(*, accepted: bool) -> Bend:
    facts = AuthenticateFacts(messages=2, repeated_nonce=NonceFacts(accepted=accepted, detail="invalid credentials"))
    return Bend(at(Stage.AUTHENTICATE, brokers=[2]), lambda o: msgspec.structs.replace(o, facts=facts))


def test_a_repeated_nonce_that_is_refused_is_an_advice_for_old_clients() -> None:
    views = views_of(IN_VPC, authentication="scram_sha_512")
    diagnosis = diagnosis_of(views, nonce(accepted=False))
    [advice] = diagnosis.advices
    assert advice.code is AdviceCode.AUTH_SCRAM_NONCE
    assert advice.evidence == ("cluster_vpc/broker-2/authenticate/broker-eni",)
    assert "librdkafka before 2.6.1" in advice.sentence
    assert diagnosis.findings == ()
    assert diagnosis_of(views, nonce(accepted=True)).advices == ()


BY_REGION = "b-1.demo{}.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


@pytest.mark.parametrize(("called", "advised"), [("-us-west-1-app", True), ("", False), ("-us-east-1", False)])
def test_a_cluster_called_after_another_region_is_an_advice_for_clients_that_sign_for_that(
    called: str, advised: bool
) -> None:
    facts = AuthenticateFacts(token=TokenFacts(region_name="us-east-1", broker_region_name="us-east-1"))

    [view] = views_of(IN_VPC, authentication="iam")
    first, *others = view.brokers
    named = msgspec.structs.replace(first, name=BY_REGION.format(called))
    view = msgspec.structs.replace(view, brokers=(named, *others), bootstrap=())
    by_token = Bend(at(Stage.AUTHENTICATE, brokers=[1]), lambda o: msgspec.structs.replace(o, facts=facts))
    diagnosis = diagnosis_of([view], by_token)
    assert diagnosis.findings == ()
    assert [each.code for each in diagnosis.advices] == ([AdviceCode.AUTH_REGION_IN_NAME] if advised else [])
    assert all("us-west-1 stands in it" in each.observed for each in diagnosis.advices)


# Client certificates


@pytest.mark.parametrize(
    ("had", "codes"),
    [
        (None, {Code.TLS_CLIENT_CERTIFICATE_MISSING}),
        (ClientCertificateFacts(dates_ok=False, authority_named=True), {Code.TLS_CLIENT_CERTIFICATE_DATES}),
        (
            ClientCertificateFacts(authority_named=False, chain_length=2),
            {Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED},
        ),
        (
            ClientCertificateFacts(authority_named=False),
            {Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED, Code.TLS_CLIENT_CHAIN_INCOMPLETE},
        ),
        (
            ClientCertificateFacts(authority_named=True),
            {
                Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED,
                Code.TLS_CLIENT_CHAIN_INCOMPLETE,
                Code.TLS_CLIENT_CERTIFICATE_DATES,
            },
        ),
    ],
)
@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.API])
def test_a_refused_certificate_is_told_by_what_the_client_had(
    stage: Stage, had: ClientCertificateFacts | None, codes: set[Code]
) -> None:
    facts = HandshakeFacts(sni="b", client_certificate_requested=True, client_certificate=had, alert_number=42)
    in_tls = (
        failed(Reason.ALERT, facts) if stage is Stage.HANDSHAKE else lambda o: msgspec.structs.replace(o, facts=facts)
    )
    bends = [Bend(at(Stage.HANDSHAKE), in_tls), Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts(alert_number=42)))]
    found = diagnosis_of(views_of(IN_VPC, authentication="mtls"), *bends).findings
    assert {frozenset(each.codes) for each in found} == {frozenset(codes)}


ASKED = Bend(
    at(Stage.HANDSHAKE),
    lambda o: msgspec.structs.replace(o, facts=HandshakeFacts(sni="b", client_certificate_requested=True)),
)


@pytest.mark.parametrize(
    ("brokers", "alert_number", "codes"),
    [
        ([1, 2, 3], 116, {Code.TLS_CLIENT_CERTIFICATE_MISSING}),
        ([1, 2, 3], 42, {Code.TLS_CLIENT_CERTIFICATE_MISSING}),
        (
            [1, 2, 3],
            None,
            {Code.TLS_CLIENT_CERTIFICATE_MISSING, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_CUT_ON_THE_WAY},
        ),
        ([2], None, {Code.TCP_NOT_KAFKA, Code.TLS_INSPECTED}),
        ([2], 116, {Code.TLS_CLIENT_CERTIFICATE_MISSING}),
    ],
)
def test_a_listener_that_asks_for_a_certificate_may_take_clients_without(
    brokers: list[int], alert_number: int | None, codes: set[Code]
) -> None:
    """It does where it answered one; of a connection that ends, only an alert says that it did not."""
    ended = Bend(at(Stage.API, brokers=brokers), failed(Reason.CLOSED, ApiFacts(alert_number=alert_number)))
    bootstrap = Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts(alert_number=alert_number)))
    bends = [ASKED, ended, *([bootstrap] if len(brokers) > 1 else [])]
    found = diagnosis_of(views_of(IN_VPC), *bends).findings
    assert {frozenset(each.codes) for each in found} == {frozenset(codes)}


def test_a_handshake_failure_is_no_lacking_certificate_where_others_need_none() -> None:
    refused = HandshakeFacts(sni="b", client_certificate_requested=True, alert_number=40)
    bends = [Bend(at(Stage.HANDSHAKE, brokers=[2]), failed(Reason.ALERT, refused)), ASKED]
    found = diagnosis_of(views_of(IN_VPC), *bends).findings
    assert all(Code.TLS_CLIENT_CERTIFICATE_MISSING not in each.codes for each in found)
    assert [each.broker_ids for each in found] == [(2,)]
