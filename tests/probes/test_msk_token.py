"""Tokens of MSK's IAM listener: signed as AWS has it, and what may be told of them."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from brokerproof.probes.credentials import CredentialsEndedError, CredentialsError, StsUnreachableError
from brokerproof.probes.msk_token import Bearer, TokenSource, caller_arn, region_in
from brokerproof.probes.outcome import TokenFlaw
from brokerproof.probes.plan import Authentication, AuthenticationScheme

KEY_ID, SECRET = "ASIAABCDEFGHIJKLMNOP", "wJalrXUtnFEMI-an-example-of-a-secret-key"
NAME = "b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def settings(tmp_path: Path, text: str | None = None, **more: Any) -> Authentication:
    path = tmp_path / "aws"
    path.write_text(text or f"[app]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    chosen = {"credentials_file": str(path), "profile": "app", **more}
    return Authentication(scheme=AuthenticationScheme.IAM, **chosen)


def opened(token: str) -> str:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


@pytest.mark.parametrize(
    ("name", "region"),
    [
        (NAME, "us-east-1"),
        (NAME + ".", "us-east-1"),
        ("b-1.demo-us-west-1-app.a1b2c3.c2.kafka.us-west-2.amazonaws.com", "us-west-2"),
        ("boot-x1.c3.kafka-serverless.eu-central-1.amazonaws.com", "eu-central-1"),
        ("b-1.iam.demo.a1.c2.kafka.ap-southeast-2.amazonaws.com", "ap-southeast-2"),
        ("b-1.demo.a1.c2.kafka.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("b-1.demo.a1.c2.kafka.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("kafka.us-east-1.example.com", ""),
        ("us-east-1.kafka.example.com", ""),
        ("10.0.0.1", ""),
    ],
)
def test_the_region_stands_at_its_place_in_the_name(name: str, region: str) -> None:
    assert region_in(name) == region


def test_a_token_is_a_presigned_request_for_connect(tmp_path: Path) -> None:
    token = TokenSource(settings(tmp_path)).token(NAME)
    url = urlsplit(opened(token.value))
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert url.hostname == "kafka.us-east-1.amazonaws.com"
    assert query["Action"] == "kafka-cluster:Connect"
    assert query["X-Amz-Credential"].startswith(f"{KEY_ID}/")
    assert query["X-Amz-Credential"].endswith("/us-east-1/kafka-cluster/aws4_request")
    assert query["X-Amz-Expires"] == "900"
    assert url.query.endswith("&User-Agent=brokerproof")
    signature = query.pop("X-Amz-Signature")
    assert signature == signed_again(query)


def signed_again(query: dict[str, str]) -> str:
    """The signature of these parameters (AWS Signature Version 4, presigned requests), made without botocore."""
    canonical = "&".join(
        f"{quote(key, safe='')}={quote(query[key], safe='')}" for key in sorted(query) if key != "User-Agent"
    )
    host = "kafka.us-east-1.amazonaws.com"
    request = f"GET\n/\n{canonical}\nhost:{host}\n\nhost\n{sha256(b'').hexdigest()}"
    scope = query["X-Amz-Credential"].partition("/")[2]
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_nothing_of_the_secret_is_told(tmp_path: Path) -> None:
    token = TokenSource(settings(tmp_path)).token(NAME)
    said = repr(token) + repr(token.facts) + repr(Bearer(token).token)
    assert SECRET not in said
    assert KEY_ID not in said
    assert token.value not in said
    assert token.facts.access_key_id == "ASIA...MNOP"
    assert token.facts.provider


def test_another_region_than_the_brokers_is_known_before_it_is_sent(tmp_path: Path) -> None:
    right = TokenSource(settings(tmp_path)).token(NAME).facts
    wrong = TokenSource(settings(tmp_path, region_name="us-west-2")).token(NAME).facts
    assert (right.region_name, right.flaws) == ("us-east-1", ())
    assert (wrong.region_name, wrong.broker_region_name, wrong.flaws) == (
        "us-west-2",
        "us-east-1",
        (TokenFlaw.OTHER_REGION,),
    )


def test_a_name_of_ones_own_needs_a_region(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"no Region to sign for: kafka\.example\.com"):
        TokenSource(settings(tmp_path)).token("kafka.example.com")
    assert TokenSource(settings(tmp_path, region_name="eu-west-1")).token("kafka.example.com").facts.flaws == ()


@pytest.mark.parametrize(
    ("left", "flaws"),
    [
        (timedelta(minutes=-1), (TokenFlaw.CREDENTIALS_ENDED,)),
        (timedelta(minutes=2), (TokenFlaw.CREDENTIALS_END_SOON,)),
        (timedelta(hours=1), ()),
    ],
)
def test_credentials_that_end_are_known_and_bound_what_the_client_library_is_told(
    tmp_path: Path, left: timedelta, flaws: tuple[TokenFlaw, ...]
) -> None:
    source = TokenSource(settings(tmp_path))
    source._credentials._expiry_time = datetime.now(UTC) + left
    assert source.token(NAME).facts.flaws == flaws
    _, ends = source.for_librdkafka(NAME)
    assert ends - time.time() == pytest.approx(min(left.total_seconds(), 900), abs=5)


@pytest.mark.parametrize("text", ["[other]\n", "[app]\nregion = us-east-1\n", f"[app]\naws_access_key_id = {KEY_ID}\n"])
def test_no_credentials_are_told_without_what_is_there(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialsError) as refused:
        TokenSource(settings(tmp_path, text))
    assert "AWS credentials" in str(refused.value)
    assert KEY_ID not in str(refused.value)


BY_ROLE = (
    "[app]\nrole_arn = arn:aws:iam::111122223333:role/app\nsource_profile = keys\nregion = us-east-1\n"
    f"[keys]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
)
ROLE = "arn:aws:iam::111122223333:role/app"


@pytest.mark.parametrize(("text", "role"), [(BY_ROLE, ""), (None, ROLE)], ids=["of the profile", "of the plan"])
@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
def test_sts_that_does_not_answer_is_told_from_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, role: str, listens: bool
) -> None:
    with socket.socket() as sts:
        sts.bind(("127.0.0.1", 0))
        if listens:
            sts.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{sts.getsockname()[1]}")
        source = TokenSource(settings(tmp_path, text, role_arn=role, region_name="us-east-1"))
        began = time.monotonic()
        with pytest.raises(StsUnreachableError, match=r"no answer from http://127\.0\.0\.1") as refused:
            source.refresh()
    assert time.monotonic() - began < 55, "once, and not as patiently as botocore, which waits a minute each time"
    assert SECRET not in str(refused.value)


def test_credentials_that_have_ended_are_told_from_none(tmp_path: Path) -> None:
    given = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": "t"}
    (tmp_path / "ended.json").write_text(json.dumps({**given, "Expiration": "2026-01-01T00:00:00+00:00"}))
    with pytest.raises(CredentialsEndedError, match="they have ended") as refused:
        TokenSource(settings(tmp_path, f"[app]\ncredential_process = cat {tmp_path / 'ended.json'}\n")).refresh()
    assert SECRET not in str(refused.value)


def test_a_process_that_prints_no_json_gives_none(tmp_path: Path) -> None:
    """Its words may be of a secret."""
    with pytest.raises(CredentialsError, match="JSONDecodeError") as refused:
        TokenSource(settings(tmp_path, f"[app]\ncredential_process = echo {SECRET}\n")).refresh()
    assert SECRET not in str(refused.value)


def test_a_containers_address_that_is_refused_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials")
    with pytest.raises(CredentialsError, match=r"AWS credentials: ValueError$"):
        TokenSource(settings(tmp_path, "[other]\n", profile="")).refresh()


def test_sts_that_refuses_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Refusing) as sts:
        serving = threading.Thread(target=sts.handle_request)
        serving.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{sts.server_port}")
        with pytest.raises(CredentialsError, match="AccessDenied") as refused:
            TokenSource(settings(tmp_path, BY_ROLE)).refresh()
        serving.join()
    assert not isinstance(refused.value, StsUnreachableError)


def test_a_token_from_cached_credentials_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    source = TokenSource(settings(tmp_path))
    source.token(NAME)
    times = []
    for _ in range(20):
        began = time.thread_time_ns()
        source.token(NAME)
        times.append(time.thread_time_ns() - began)
    assert min(times) < 1_000_000


def test_a_probe_that_leaves_ssl_out_to_start_sooner_can_sign() -> None:
    """botocore imports ssl, which the engine does without."""
    words = (
        "import sys; from brokerproof.probes import __main__ as probe; probe._import_engine(); "
        "assert 'ssl' not in sys.modules; import botocore.session"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("role", "session", "caller"),
    [
        ("", "", ""),
        ("arn:aws:iam::111122223333:role/app", "", "arn:aws:sts::111122223333:assumed-role/app/brokerproof"),
        ("arn:aws-cn:iam::111122223333:role/a/b/app", "s", "arn:aws-cn:sts::111122223333:assumed-role/app/s"),
    ],
)
def test_who_calls_follows_from_the_role(role: str, session: str, caller: str) -> None:
    settings = Authentication(scheme=AuthenticationScheme.IAM, role_arn=role, role_session_name=session)
    assert caller_arn(settings) == caller
