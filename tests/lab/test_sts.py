"""STS of a lab, asked by the probe over loopback: each answer, and what the probe makes of it. No lab is started."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brokerproof.lab.daemons.sts import Sts
from brokerproof.probes.caller_identity import caller_words
from brokerproof.probes.msk_token import TokenSource
from brokerproof.probes.outcome import CallerFacts, StsAnswer
from brokerproof.probes.plan import Authentication, AuthenticationScheme

KEY_ID, SECRET = "ASIAABCDEFGHIJKLMNOP", "wJalrXUtnFEMI-an-example-of-a-secret-key"
ARN = "arn:aws:sts::111122223333:assumed-role/app/lab"
PATIENT_S = 60


@contextmanager
def serving(state: Path, **known: str) -> Iterator[str]:
    state.write_text("".join(f"{key}={value}\n" for key, value in known.items()))
    endpoint = Sts(state, port=0)
    try:
        yield f"http://127.0.0.1:{endpoint.server_port}"
    finally:
        endpoint.end()


def asked(tmp_path: Path, url: str, secret: str = SECRET) -> CallerFacts:
    keys = f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {secret}\naws_session_token = t\n"
    path = tmp_path / "aws"
    path.write_text(f"[app]\n{keys}endpoint_url = {url}\n")
    settings = Authentication(scheme=AuthenticationScheme.IAM, credentials_file=str(path), profile="app")
    return TokenSource(settings).caller("us-east-1", limit_s=PATIENT_S)


KNOWN = {f"secret.{KEY_ID}": SECRET, f"arn.{KEY_ID}": ARN}


@pytest.mark.parametrize(
    ("known", "secret", "answer"),
    [
        (KNOWN, SECRET, CallerFacts(StsAnswer.ACCEPTED, caller_arn=ARN)),
        (KNOWN, "another", CallerFacts(StsAnswer.SIGNATURE_REFUSED, "SignatureDoesNotMatch")),
        ({f"arn.{KEY_ID}": ARN}, SECRET, CallerFacts(StsAnswer.KEY_UNKNOWN, "InvalidClientTokenId")),
        (KNOWN | {f"session_ended.{KEY_ID}": "yes"}, SECRET, CallerFacts(StsAnswer.SESSION_ENDED, "ExpiredToken")),
    ],
)
def test_what_sts_knows_of_the_credentials_is_told_by_its_code(
    tmp_path: Path, known: dict[str, str], secret: str, answer: CallerFacts
) -> None:
    with serving(tmp_path / "state", **known) as url:
        caller = asked(tmp_path, url, secret)
    assert msgspec.structs.replace(caller, clock_ahead_s=None) == answer
    assert caller.clock_ahead_s is not None
    assert abs(caller.clock_ahead_s) < 30
    assert SECRET not in repr(caller)


@pytest.mark.parametrize("ahead_s", [1200, -1200])
def test_clocks_that_are_apart_are_seen_by_the_date(tmp_path: Path, ahead_s: int) -> None:
    with serving(tmp_path / "state", **KNOWN, clock_offset_s=str(-ahead_s)) as url:
        caller = asked(tmp_path, url)
    assert caller.answer is StsAnswer.SIGNATURE_REFUSED
    assert caller.clock_ahead_s == pytest.approx(ahead_s, abs=30)
    assert ("ahead of its own" if ahead_s > 0 else "behind its own") in caller_words(caller)


def test_a_clock_within_fifteen_minutes_is_accepted_and_told(tmp_path: Path) -> None:
    with serving(tmp_path / "state", **KNOWN, clock_offset_s="600") as url:
        caller = asked(tmp_path, url)
    assert caller.answer is StsAnswer.ACCEPTED
    assert caller.clock_ahead_s == pytest.approx(-600, abs=30)


def test_an_endpoint_that_has_ended_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "state", **KNOWN) as url:
        assert asked(tmp_path, url).answer is StsAnswer.ACCEPTED
    until = time.monotonic() + PATIENT_S
    while (caller := asked(tmp_path, url)).answer is not StsAnswer.NOT_REACHED and time.monotonic() < until:
        time.sleep(0.1)
    assert caller == CallerFacts(answer=StsAnswer.NOT_REACHED)


@pytest.fixture(autouse=True)
def _no_other_settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_REGION", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
