"""Kafka's own Java clients log in to the lab's listeners, so that these are not only right by our own client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from brokerproof.lab.daemons import kafka_dist
from brokerproof.lab.life import preflight
from tests.loopback_kafka import LoginKafka, login_kafka

pytestmark = pytest.mark.lab

LIBRARY: Final = ("software.amazon.msk", "aws-msk-iam-auth", "2.3.6")
MAVEN_S, TOOL_S = 300, 240
IAM: Final = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler"
MODULES: Final = "org.apache.kafka.common.security"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginKafka]:
    with login_kafka(tmp_path_factory.mktemp("java")) as started:
        yield started


@pytest.fixture(scope="module")
def iam_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AWS's own client library and all that it needs, fetched once."""
    made = kafka_dist.cache_directory(os.environ) / "handlers" / "-".join(LIBRARY[1:])
    maven = shutil.which("mvn")
    if not made.exists():
        if maven is None:
            pytest.skip("mvn is not on PATH; run make setup")
        folder = tmp_path_factory.mktemp("maven")
        group, artifact, version = LIBRARY
        dependency = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        (folder / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>x</groupId><artifactId>x</artifactId><version>1</version>"
            f"<dependencies><dependency>{dependency}</dependency></dependencies></project>"
        )
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
        words = [
            maven,
            "--batch-mode",
            "--quiet",
            goal,
            f"-DoutputDirectory={folder / 'jars'}",
            "-DincludeScope=runtime",
        ]
        subprocess.run(words, cwd=folder, timeout=MAVEN_S, check=True, capture_output=True)
        partial = made.with_name(f".{made.name}.{os.getpid()}")
        shutil.copytree(folder / "jars", partial)
        partial.rename(made)
    return made


def tool(name: str, *words: str, classpath: str = "", said: str = "", more: Mapping[str, str] | None = None) -> str:
    """Run one of Kafka's own tools to its end."""
    environ = os.environ
    distribution = kafka_dist.locate(kafka_dist.wanted_version(environ), environ=environ)
    java = preflight.find_java(environ)
    assert java is not None, "no Java"
    path = ":".join(filter(None, (distribution.classpath, classpath)))
    done = subprocess.run(
        [str(java.path), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", path, f"org.apache.kafka.tools.{name}", *words],
        input=said,
        capture_output=True,
        text=True,
        timeout=TOOL_S,
        check=False,
        env=dict(environ) | dict(more or {}),
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def settings(kafka: LoginKafka, scheme: str) -> dict[str, str]:
    held = kafka.credentials
    common = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(kafka.ca_file)}
    match scheme:
        case "scram":
            user, password = ((held / f"lab.{kind}").read_text().strip() for kind in ("username", "password"))
            module = f'{MODULES}.scram.ScramLoginModule required username="{user}" password="{password}";'
            own = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": module}
        case "mtls":
            pem = (held / "lab.pem").read_text() + (held / "lab.key").read_text()
            store = held / "keystore.pem"
            store.touch(mode=0o600)
            store.write_text(pem)
            own = {"security.protocol": "SSL", "ssl.keystore.type": "PEM", "ssl.keystore.location": str(store)}
        case _:
            own = {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.jaas.config": f"{MODULES}.oauthbearer.OAuthBearerLoginModule required;",
                "sasl.login.callback.handler.class": IAM,
                "sasl.client.callback.handler.class": IAM,
            }
    return common | own


def moves_a_record(kafka: LoginKafka, scheme: str, folder: Path, **how: object) -> None:
    """Make a topic, write a record to it idempotently, and read it back: three clients, each a login."""
    config = folder / "client.properties"
    config.touch(mode=0o600)
    config.write_text("".join(f"{key}={value}\n" for key, value in settings(kafka, scheme).items()))
    at = ("--bootstrap-server", getattr(kafka, scheme))
    topic, record = f"java-{scheme}", f"hello by {scheme}"
    tool("TopicCommand", *at, "--command-config", str(config), "--create", "--topic", topic, **how)  # type: ignore[arg-type]
    produced = ("--producer.config", str(config), "--producer-property", "enable.idempotence=true", "--topic", topic)
    tool("ConsoleProducer", *at, *produced, said=f"{record}\n", **how)  # type: ignore[arg-type]
    consumed = ("--consumer.config", str(config), "--from-beginning", "--max-messages", "1", "--timeout-ms", "120000")
    read = tool("consumer.ConsoleConsumer", *at, *consumed, "--topic", topic, **how)  # type: ignore[arg-type]
    assert read.strip() == record


@pytest.mark.parametrize("scheme", ["scram", "mtls"])
def test_kafkas_own_clients_log_in(kafka: LoginKafka, scheme: str, tmp_path: Path) -> None:
    moves_a_record(kafka, scheme, tmp_path)


def test_awss_own_client_library_logs_in_by_iam(kafka: LoginKafka, iam_library: Path, tmp_path: Path) -> None:
    credentials = {
        "AWS_SHARED_CREDENTIALS_FILE": str(kafka.credentials / "aws"),
        "AWS_PROFILE": "lab",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    moves_a_record(kafka, "iam", tmp_path, classpath=f"{iam_library}/*", more=credentials)
