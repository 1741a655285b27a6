"""STS is asked who the client is: once a run, only where a token was refused for nobody knows why, and in its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest

from brokerproof.probes.caller_identity import caller_words
from brokerproof.probes.logins import Logins
from brokerproof.probes.msk_token import TokenSource
from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import (
    AuthenticateFacts,
    CallerFacts,
    Outcome,
    Reason,
    Stage,
    StsAnswer,
    TokenFacts,
    TokenFlaw,
)
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Limits
from tests.probes.fake_kafka import Handler, alone, api_versions, broker
from tests.probes.fake_sasl import agreeing, refusal
from tests.probes.peers import peer, run
from tests.probes.running import PATIENT, TO_IDENTITY, Result, plan, probe, waiting

DENIED = "[5b6f0c1e-0000-4000-8000-000000000000]: Access denied"
WITH_SASL = {3: (0, 12), 17: (0, 1), 18: (0, 3), 32: (1, 4), 36: (0, 2)}
SECRET = "wJalrXUtnFEMI-an-example-of-a-secret-key"
KEYS = f"[app]\naws_access_key_id = ASIAABCDEFGHIJKLMNOP\naws_secret_access_key = {SECRET}\n"


class Sts(ThreadingHTTPServer):
    """Answers every request so, or none where there is no answer."""

    daemon_threads = True

    def __init__(self, status: int, answer: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.answer = status, answer
        self.asked: list[bytes] = []
        self.over = threading.Event()

    def refusing(self, code: str) -> None:
        self.status, self.answer = 403, f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"


class _Answer(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:
        self.server.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.answer is None:
            self.server.over.wait(60)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    for name in ("AWS_PROFILE", "AWS_REGION", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Sts(403, None) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        yield server
        server.over.set()
        # Who is no longer waited for may only now be about to ask, and would ask the next test's.
        for each in threading.enumerate():
            if each.name == "sts":
                each.join()
        server.shutdown()
        serving.join()


def settings(tmp_path: Path, **more: Any) -> Authentication:
    path = tmp_path / "aws"
    path.write_text(KEYS)
    chosen = {"credentials_file": str(path), "profile": "app", "region_name": "us-east-1", "most_per_s": 50, **more}
    return Authentication(scheme=AuthenticationScheme.IAM, **chosen)


def refused_run(tmp_path: Path, words: str = DENIED, *, limits: Limits = PATIENT, looks: bool = False) -> Result:
    """A run at two brokers that refuse every token in these words."""

    async def work() -> Result:
        ports: list[int] = []
        handlers: dict[type, Handler] = alone(1, lambda: ports[0])
        handlers[ApiVersionsRequest] = lambda _request: api_versions(WITH_SASL)
        handlers[SaslHandshakeRequest] = agreeing("OAUTHBEARER")
        handlers[SaslAuthenticateRequest] = lambda _request: refusal(words)
        async with peer(broker(handlers)) as one, peer(broker(handlers)) as two:
            ports += (one, two)
            stages = (*TO_IDENTITY, Stage.AUTHENTICATE)
            login = settings(tmp_path)
            return await probe(plan(*ports, stages=stages, authentication=login, limits=limits, look_again=looks))

    return run(work())


def callers(logins: list[Outcome]) -> list[CallerFacts | None]:
    assert all(isinstance(each.facts, AuthenticateFacts) for each in logins)
    return [each.facts.caller for each in logins if isinstance(each.facts, AuthenticateFacts)]


def test_sts_is_asked_once_in_a_run_and_every_refused_login_has_its_answer(tmp_path: Path, sts: Sts) -> None:
    sts.refusing("InvalidClientTokenId")
    result = refused_run(tmp_path, looks=True)
    logins = result.of(Stage.AUTHENTICATE)
    known = [caller.answer for caller in callers(logins) if caller is not None]
    assert known == [StsAnswer.KEY_UNKNOWN] * 2
    assert [each.detail for each in logins] == [f"{DENIED}; STS answers InvalidClientTokenId"] * 2
    assert [each.stage for each in result.again].count(Stage.AUTHENTICATE) == 2
    assert callers([each for each in result.again if each.stage is Stage.AUTHENTICATE]) == [None, None]
    assert len(sts.asked) == 1
    assert b"Action=GetCallerIdentity" in sts.asked[0]
    assert result.closing.spent is not None
    assert result.closing.spent.sts_calls == 1
    assert SECRET not in repr(result)


def test_sts_that_is_silent_costs_its_time_once_and_is_said(tmp_path: Path, sts: Sts) -> None:
    result = refused_run(tmp_path, limits=waiting(sts_ms=1000))
    logins = result.of(Stage.AUTHENTICATE)
    assert callers(logins) == [CallerFacts(answer=StsAnswer.NOT_REACHED)] * 2
    assert all("STS, which would know more, is not reached" in each.detail for each in logins)
    assert len(sts.asked) <= 1
    assert result.wall_s < 55, "not what botocore waits by itself: a minute, and that several times"


@pytest.mark.parametrize("words", ["Too many connects", "Session too short"])
def test_what_the_broker_says_by_itself_is_not_asked_about(tmp_path: Path, sts: Sts, words: str) -> None:
    result = refused_run(tmp_path, f"[id]: {words}")
    assert callers(result.of(Stage.AUTHENTICATE)) == [None, None]
    assert sts.asked == []
    assert result.closing.spent is not None
    assert result.closing.spent.sts_calls == 0


@pytest.mark.parametrize(
    ("flaws", "more"),
    [
        ((TokenFlaw.OTHER_REGION,), {}),
        ((TokenFlaw.CREDENTIALS_ENDED,), {}),
        ((), {"asks_sts": False}),
    ],
)
def test_what_the_client_knows_by_itself_is_not_asked_about(
    tmp_path: Path, sts: Sts, flaws: tuple[TokenFlaw, ...], more: dict[str, Any]
) -> None:
    seen = failed(Reason.CREDENTIALS_REFUSED, DENIED, AuthenticateFacts(token=TokenFacts(flaws=flaws)))

    async def work() -> Observation:
        logins = Logins(settings(tmp_path, **more))
        await logins.prepare()
        return await logins.with_caller(seen, limit_ms=10_000)

    assert run(work()) is seen
    assert sts.asked == []


def test_an_endpoint_that_is_none_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "nonsense")
    caller = TokenSource(settings(tmp_path)).caller("us-east-1", limit_s=10)
    assert caller == CallerFacts(StsAnswer.NOT_REACHED)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, "<GetCallerIdentityResponse/>"),
        (200, "no XML"),
        (503, "busy"),
        (403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
        (403, "<ErrorResponse><Error><Message>SignatureDoesNotMatch</Message></Error></ErrorResponse>"),
    ],
)
def test_what_is_no_answer_of_sts_says_nothing_of_the_credentials(
    tmp_path: Path, sts: Sts, status: int, answer: str
) -> None:
    sts.status, sts.answer = status, answer
    for caller in callers(refused_run(tmp_path).of(Stage.AUTHENTICATE)):
        assert caller is not None
        assert (caller.answer, caller.caller_arn) == (StsAnswer.OTHER_ERROR, "")


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (CallerFacts(StsAnswer.ACCEPTED, caller_arn="arn:a"), "STS knows the client as arn:a"),
        (CallerFacts(StsAnswer.OTHER_ERROR), "STS answers what it never answers"),
        (
            CallerFacts(StsAnswer.SIGNATURE_REFUSED, "SignatureDoesNotMatch", clock_ahead_s=-1200),
            "STS answers SignatureDoesNotMatch, and the client's clock is 1,200 s behind its own",
        ),
        (
            CallerFacts(StsAnswer.REQUEST_EXPIRED, "RequestExpired", clock_ahead_s=29),
            "STS answers RequestExpired",
        ),
    ],
)
def test_the_answer_is_told(caller: CallerFacts, words: str) -> None:
    assert caller_words(caller) == words
