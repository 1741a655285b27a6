"""Stage ``authenticate``: right, refused, and whatever else a peer may do; and what a run spends on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.errors import ErrorCode
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest, SaslHandshakeResponse

from brokerproof.probes.budget import Budget
from brokerproof.probes.credentials import CredentialsError, read
from brokerproof.probes.logins import Logins
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import AgainFacts, AuthenticateFacts, Outcome, Reason, Stage, Status
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Limits, decode_plan, encode_plan
from brokerproof.probes.stages.authenticate import authenticate, with_nonce
from brokerproof.probes.wire.scram import Scram
from tests.probes.fake_kafka import CLOSE, Handler, alone, api_versions, broker
from tests.probes.fake_sasl import ScramServer, agreeing, answer, refusal
from tests.probes.peers import PATIENT_MS, Behaviour, closing, limit_ms, peer, resetting, run, saying, silent
from tests.probes.running import TO_IDENTITY, Result, plan, probe
from tests.probes.test_kafka_stages import connection_to

USER, PASSWORD = "al,ice=", "correct horse battery"


def scram_broker(**server: Any) -> Behaviour:
    return sasl(ScramServer(USER, PASSWORD, **server).handle)


def sasl(handler: Handler, handshake: Handler | None = None) -> Behaviour:
    return broker({SaslHandshakeRequest: handshake or agreeing("SCRAM-SHA-512"), SaslAuthenticateRequest: handler})


def logged_in(
    behaviour: Behaviour,
    username: str = USER,
    password: str = PASSWORD,
    *,
    repeats_nonce: bool = False,
    expected: Reason | None = None,
) -> Observation:
    async def work() -> Observation:
        async with connection_to(behaviour) as connection:
            login = Scram(username, password, repeats_nonce=repeats_nonce)
            return await authenticate(connection, login, limit_ms=limit_ms(expected))

    return run(work())


def facts_of(seen: Observation) -> AuthenticateFacts:
    assert isinstance(seen.facts, AuthenticateFacts)
    return seen.facts


def test_the_right_password_is_accepted_and_the_session_noted() -> None:
    seen = logged_in(scram_broker())
    facts = facts_of(seen)
    assert seen.is_ok
    assert (facts.mechanism, facts.offered, facts.principal) == ("SCRAM-SHA-512", ("SCRAM-SHA-512",), f"User:{USER}")
    assert facts.session_lifetime_ms == 3_600_000
    assert facts.handshake_ns > 0
    assert facts.exchange_ns > 0


@pytest.mark.parametrize(("username", "password", "messages"), [(USER, "wrong", 1), ("nobody", PASSWORD, 0)])
def test_an_unknown_user_is_refused_before_the_password_is_proved(username: str, password: str, messages: int) -> None:
    seen = logged_in(scram_broker(), username, password)
    assert seen.reason is Reason.CREDENTIALS_REFUSED
    assert facts_of(seen).messages == messages
    assert facts_of(seen).error_code == 58
    assert password not in repr(seen)


def test_a_broker_that_does_not_know_the_secret_is_not_believed() -> None:
    assert logged_in(scram_broker(imitation=True)).reason is Reason.SERVER_NOT_PROVED


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe",
        b"r=x,s=eA==,i=4096",
        b"r=x,s=?,i=4096",
        b"r=x,s=eA==,i=many",
        b"r=x,s=eA==,i=999999999",
        b"e=other-error",
    ],
)
def test_what_is_no_scram_is_no_proof(said: bytes) -> None:
    def handle(request: SaslAuthenticateRequest) -> Any:
        nonce = request.auth_bytes.rpartition(b"r=")[2]
        return answer(said.replace(b"r=x", b"r=" + nonce + b"x") if b"999" in said else said)

    seen = logged_in(sasl(handle))
    assert seen.reason is Reason.SERVER_NOT_PROVED
    assert len(seen.detail) < 200


@pytest.mark.parametrize(
    ("code", "offered"),
    [(ErrorCode.unsupported_sasl_mechanism, ("OAUTHBEARER",)), (ErrorCode.illegal_sasl_state, ())],
)
def test_a_mechanism_that_is_not_offered_is_told_with_what_is(code: ErrorCode, offered: tuple[str, ...]) -> None:
    handshake = SaslHandshakeResponse(error_code=code, mechanisms=offered)
    seen = logged_in(sasl(lambda _: refusal(), lambda _: handshake))
    assert seen.reason is Reason.MECHANISM_NOT_OFFERED
    assert facts_of(seen).offered == offered
    assert facts_of(seen).error_code == int(code)
    assert ("OAUTHBEARER" if offered else "none") in seen.detail


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("[1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed]: Access denied", Reason.CREDENTIALS_REFUSED),
        ("[1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed]: Too many connects", Reason.CONNECTION_RATE),
        ("[1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed]: Session too short", Reason.SESSION_TOO_SHORT),
        ("Cannot change principals during re-authentication from T.1: T.2", Reason.PRINCIPAL_CHANGED),
    ],
)
def test_what_msk_answers_with_one_code_is_told_by_its_words(words: str, reason: Reason) -> None:
    seen = logged_in(sasl(lambda _: refusal(words)))
    assert (seen.reason, seen.detail) == (reason, words)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (silent, Reason.TIMED_OUT),
        (closing, Reason.CLOSED),
        (resetting, Reason.RESET),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reason.NOT_KAFKA),
        (sasl(lambda _: CLOSE), Reason.CLOSED),
        (sasl(lambda _: None), Reason.TIMED_OUT),
        (sasl(lambda _: answer(code=ErrorCode.illegal_sasl_state)), Reason.KAFKA_ERROR),
    ],
)
def test_every_ending_has_a_reason(behaviour: Behaviour, reason: Reason) -> None:
    begin = time.monotonic()
    assert logged_in(behaviour, expected=reason).reason is reason
    assert time.monotonic() - begin < PATIENT_MS / 1000


@pytest.mark.parametrize("lenient", [False, True])
def test_a_repeated_nonce_shows_whether_the_broker_is_strict(lenient: bool) -> None:
    good = logged_in(scram_broker())
    again = logged_in(scram_broker(lenient=lenient), repeats_nonce=True)
    nonce = facts_of(with_nonce(good, again, ended_ns=1)).repeated_nonce
    assert nonce is not None
    assert nonce.accepted is lenient


def test_a_nonce_check_that_broke_says_nothing() -> None:
    good = logged_in(scram_broker())
    assert facts_of(with_nonce(good, logged_in(closing), ended_ns=1)).repeated_nonce is None


def test_a_login_is_not_printed() -> None:
    assert PASSWORD not in repr(Scram(USER, PASSWORD))


# References


def test_a_reference_is_read_without_its_end_of_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    assert read(f"file:{path}") == "secret"
    assert read("env:P", environment={"P": "secret"}) == "secret"


def test_a_reference_to_nothing_is_named_and_what_is_there_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    (tmp_path / "empty").write_text("\n")
    for reference, words in (
        ("env:P", "env:P: the environment of the probe has no such variable"),
        (f"file:{tmp_path}/none", f"file:{tmp_path}/none: No such file or directory"),
        (f"file:{tmp_path}", f"file:{tmp_path}: Is a directory"),
        (f"file:{tmp_path}/binary", f"file:{tmp_path}/binary: it is not text (UTF-8)"),
        (f"file:{tmp_path}/empty", f"file:{tmp_path}/empty: it is empty"),
    ):
        with pytest.raises(CredentialsError) as refused:
            read(reference, environment={})
        assert str(refused.value) == words


def test_without_credentials_nothing_is_sent() -> None:
    settings = Authentication(scheme=AuthenticationScheme.SCRAM_SHA_512, username="env:NO_SUCH_USER", password="env:P")

    async def work() -> Observation:
        async with connection_to(saying(b"said")) as connection:
            return await Logins(settings).log_in(connection, "b-1", limit_ms=PATIENT_MS)

    seen = run(work())
    assert seen.reason is Reason.NO_CREDENTIALS
    assert "env:NO_SUCH_USER" in seen.detail


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"scheme":"scram_sha_512","username":"env:U"}', "scram_sha_512 needs password"),
        ('{"scheme":"scram_sha_512","username":"env:U","password":"hunter2"}', "password is not a reference"),
        ('{"scheme":"mtls"}', "mtls needs certificate and key"),
        ('{"scheme":"iam","most_per_s":0}', "most_per_s 0.0 is not in 0..100"),
    ],
)
def test_a_plan_with_a_secret_or_without_a_reference_is_refused(settings: str, words: str) -> None:
    text = '{"plan_id":"p","client":"c","bootstrap":[{"name":"b","port":9096}],"authentication":' + settings + "}"
    with pytest.raises(Exception, match=words) as refused:
        decode_plan(text)
    assert "hunter2" not in str(refused.value)


def test_a_plan_says_how_to_log_in() -> None:
    text = '{"plan_id":"p","client":"c","bootstrap":[{"name":"b","port":9096}],"authentication":{"scheme":"iam"}}'
    plan = decode_plan(text)
    assert decode_plan(encode_plan(plan)) == plan
    assert plan.authentication == Authentication(scheme=AuthenticationScheme.IAM)


# The pace


def test_authentications_at_one_broker_keep_the_pace_and_those_at_others_do_not_wait() -> None:
    budget = Budget(most_per_s=2)
    assert budget.reserve(1) == 0
    assert 0.4 < budget.reserve(1) <= 0.5
    assert 0.9 < budget.reserve(1) <= 1.0
    assert budget.reserve(2) == 0
    assert budget.authentications == 4


WITH_SASL = {3: (0, 12), 17: (0, 1), 18: (0, 3), 32: (1, 4), 36: (0, 2)}


def login_of_a_run(tmp_path: Path, second: Handler, *, lifetime_ms: int = 60_000) -> tuple[Outcome, int]:
    """The login of a run at a broker that answers the second authentication so, and how many it was asked for."""
    (tmp_path / "user").write_text(USER)
    (tmp_path / "password").write_text(PASSWORD)
    settings = Authentication(
        scheme=AuthenticationScheme.SCRAM_SHA_512,
        username=f"file:{tmp_path}/user",
        password=f"file:{tmp_path}/password",
        checks_nonce=False,
        most_per_s=50,
    )
    begun: list[str] = []

    def handle(request: SaslAuthenticateRequest) -> Any:
        if request.auth_bytes.startswith(b"n,,"):
            begun.append("login")
        if len(begun) > 1:
            return second(request)
        said = server.handle(request)
        return answer(said.auth_bytes, lifetime_ms=lifetime_ms) if said.auth_bytes.startswith(b"v=") else said

    server = ScramServer(USER, PASSWORD)

    async def work() -> Result:
        ports: list[int] = []
        handlers: dict[type, Handler] = alone(1, lambda: ports[0])
        handlers[ApiVersionsRequest] = lambda _request: api_versions(WITH_SASL)
        handlers[SaslHandshakeRequest] = agreeing("SCRAM-SHA-512")
        handlers[SaslAuthenticateRequest] = handle
        async with peer(broker(handlers)) as port:
            ports.append(port)
            stages = (*TO_IDENTITY, Stage.AUTHENTICATE)
            planned = plan(port, stages=stages, authentication=settings, limits=Limits(), look_again=False)
            return await probe(planned)

    return run(work()).one(Stage.AUTHENTICATE), len(begun)


def test_a_session_that_ends_is_authenticated_again_once(tmp_path: Path) -> None:
    again = ScramServer(USER, PASSWORD)
    login, asked = login_of_a_run(tmp_path, again.handle)
    assert login.status is Status.OK, login
    assert isinstance(login.facts, AuthenticateFacts)
    assert login.facts.again == AgainFacts(accepted=True)
    assert asked == 2


def test_a_session_without_an_end_is_not(tmp_path: Path) -> None:
    login, asked = login_of_a_run(tmp_path, lambda _request: refusal(), lifetime_ms=0)
    assert login.status is Status.OK, login
    assert isinstance(login.facts, AuthenticateFacts)
    assert (login.facts.again, asked) == (None, 1)


def test_a_principal_that_changes_is_told_before_the_session_ends(tmp_path: Path) -> None:
    words = "Cannot change principals during re-authentication from role.one: role.two"
    login, _ = login_of_a_run(tmp_path, lambda _request: refusal(words))
    assert login.reason is Reason.PRINCIPAL_CHANGED
    assert login.detail == f"the second authentication of the connection: {words}"
    assert isinstance(login.facts, AuthenticateFacts)
    assert login.facts.again == AgainFacts(accepted=False, detail=words)
