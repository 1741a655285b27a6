"""What a run logs in with is in nothing that it writes, hands on or says."""

from __future__ import annotations

from pathlib import Path

import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest

from brokerproof.probes.outcome import Reason, Stage, encode_line
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Limits, encode_plan
from tests.probes.fake_kafka import Handler, alone, api_versions, broker
from tests.probes.fake_sasl import ScramServer, agreeing
from tests.probes.peers import peer, run
from tests.probes.running import TO_IDENTITY, Result, plan, probe

SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize("given", [SECRET, f"{SECRET}-of-before"], ids=["right", "wrong"])
def test_the_lines_of_a_run_do_not_have_the_password(tmp_path: Path, given: str) -> None:
    path = tmp_path / "password"
    path.write_text(f"{given}\n")
    (tmp_path / "user").write_text("alice\n")
    settings = Authentication(
        scheme=AuthenticationScheme.SCRAM_SHA_512,
        username=f"file:{tmp_path}/user",
        password=f"file:{path}",
        checks_nonce=False,
    )

    async def work() -> tuple[bytes, Result]:
        ports: list[int] = []
        handlers: dict[type, Handler] = alone(1, lambda: ports[0])
        keys = {3: (0, 12), 17: (0, 1), 18: (0, 3), 32: (1, 4), 36: (0, 2)}
        server = ScramServer("alice", SECRET)
        handlers[SaslHandshakeRequest] = agreeing("SCRAM-SHA-512")
        handlers[SaslAuthenticateRequest] = server.handle
        handlers[ApiVersionsRequest] = lambda _request: api_versions(keys)
        async with peer(broker(handlers)) as port:
            ports.append(port)
            stages = (*TO_IDENTITY, Stage.AUTHENTICATE)
            planned = plan(port, stages=stages, authentication=settings, limits=Limits())
            result = await probe(planned)
            return encode_plan(planned), result

    text, result = run(work())
    login = result.one(Stage.AUTHENTICATE)
    assert (login.reason is None) is (given == SECRET)
    assert given == SECRET or login.reason is Reason.CREDENTIALS_REFUSED
    said = text + b"".join(encode_line(each) for each in result.outcomes) + repr(result).encode()
    assert b"alice" in said
    assert SECRET.encode() not in said
