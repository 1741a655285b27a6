"""``verify`` and ``topology from`` with a bootstrap string: what is taken for one, what is refused, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click
import pytest
from click.testing import CliRunner, Result

from brokerproof.cli.bootstrap_options import bootstrap_options, wanted_of
from brokerproof.cli.from_option import vantage_of
from brokerproof.cli.login_options import LOGIN_NAMES
from brokerproof.cli.main import main
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ApiFacts,
    MetadataFacts,
    Outcome,
    Reason,
    Role,
    Stage,
    Status,
    Target,
)
from brokerproof.probes.plan import AuthenticationScheme, Endpoint, Plan
from brokerproof.running.bootstrap import (
    Asked,
    BootstrapError,
    Wanted,
    answers_tls,
    ask,
    by_convention,
    looks_like,
    parse,
    topology_from,
)
from brokerproof.running.screen import from_where
from brokerproof.topology.files import loads
from brokerproof.topology.models import UNKNOWN, Credentials
from brokerproof.topology.started import started
from brokerproof.vantages.protocol import Vantage, VantageRun

MSK = "b-{}.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com"


def brokerproof(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("localhost:9092", True),
        ("b-1.example.com:9094, b-2.example.com:9094", True),
        ("[::1]:9092", True),
        ("10.0.0.1:9092,", True),
        ("mine.yaml", False),
        ("localhost", False),
        ("http://localhost:9092", False),
        ("peering", False),
        ("", False),
    ],
)
def test_what_looks_like_a_bootstrap_string(text: str, is_one: bool) -> None:
    assert looks_like(text) is is_one


def test_its_parts_are_names_and_ports_each_once() -> None:
    assert parse("A.example:9094, [::1]:1,A.example:9094") == (
        Endpoint(name="A.example", port=9094),
        Endpoint(name="::1", port=1),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:0", "no name and port"),
        ("localhost:65536", "no name and port"),
        ("a:1,,b:2", "'' in the bootstrap string"),
        ("no good:1", "is not a DNS name"),
        ("[fe80::1%eth0]:1", "is not an IP address"),
    ],
)
def test_a_part_that_is_none_is_named(text: str, words: str) -> None:
    with pytest.raises(BootstrapError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("ports", "tls"), [((9092,), False), ((9094, 9096), True), ((9092, 9094), None), ((19092,), None), ((14001,), None)]
)
def test_ports_say_by_convention_whether_they_speak_tls(ports: tuple[int, ...], tls: bool | None) -> None:
    assert by_convention([Endpoint(name="b", port=port) for port in ports]) is tls


def asked(*brokers: tuple[int, str, int], tls: bool = True, at: str = MSK.format(1), **wanted: object) -> Asked:
    answer = MetadataFacts(
        cluster_id="c",
        controller_id=1,
        brokers=tuple(AdvertisedBroker(broker_id=i, name=name, port=port) for i, name, port in brokers),
    )
    seen = Outcome(
        stage=Stage.METADATA,
        target=Target(role=Role.BOOTSTRAP, name=at, address="10.0.0.1", port=9094),
        status=Status.OK,
        facts=answer if brokers else None,
        started_ns=0,
        duration_ns=1,
    )
    made = Wanted(endpoints=(Endpoint(name=at, port=9094),), **wanted)  # type: ignore[arg-type]
    return Asked(made, tls, VantageRun(outcomes=(seen,)))


def test_what_the_cluster_says_becomes_a_topology_and_the_rest_is_unknown() -> None:
    found = topology_from(asked((1, MSK.format(1), 9094), (2, MSK.format(2), 9094)))
    [cluster] = found.clusters
    assert (cluster.cluster_name, cluster.domain, cluster.vpc_id) == ("demo", MSK[5:], UNKNOWN)
    assert [(b.broker_id, b.endpoint, b.advertised_listeners) for b in cluster.brokers] == [
        (1, MSK.format(1), ()),
        (2, MSK.format(2), ()),
    ]
    assert [(each.name, each.port) for each in cluster.listeners] == [("CLIENT_SECURE", 9094)]


def test_ports_of_their_own_and_names_that_are_not_msks() -> None:
    found = topology_from(asked((0, "kafka", 19092), (1001, "10.0.0.9", 19093), tls=False, at="kafka"))
    [cluster] = found.clusters
    assert (cluster.cluster_name, cluster.domain) == ("kafka", UNKNOWN)
    assert [(b.endpoint, b.advertised_listeners[0].port) for b in cluster.brokers] == [
        ("kafka", 19092),
        ("10.0.0.9", 19093),
    ]
    assert cluster.listeners[0].name == "CLIENT"


def test_a_broker_at_no_usable_name_is_left_to_the_judge() -> None:
    found = topology_from(asked((1, "kafka", 9094), (2, "", 9094), (3, "a b", 9094)))
    assert [b.broker_id for b in found.clusters[0].brokers] == [1]


def test_the_written_file_reads_back_as_it_was_and_says_what_is_unknown() -> None:
    found = topology_from(
        asked((1, MSK.format(1), 9001), (2, MSK.format(2), 9002), existing_topic="t", may_lack=("describe_cluster",))
    )
    text = started(found, said=("Cluster id c.",))
    assert loads(text, source="mine.yaml") == found
    assert text.startswith("# What a cluster said")
    for words in ("client_vpc_ip_address: unknown", "then verified: that the brokers see it there", "Cluster id c."):
        assert words in text


def test_a_scheme_has_its_listener() -> None:
    one = asked((1, MSK.format(1), 9096), authentication=AuthenticationScheme.SCRAM_SHA_512)
    assert topology_from(one).clusters[0].listeners[0].name == "CLIENT_SASL_SCRAM"


def test_who_answers_without_tls_by_an_alert_speaks_tls() -> None:
    def api(**facts: object) -> Outcome:
        return Outcome(
            stage=Stage.API,
            target=Target(role=Role.BOOTSTRAP, name="b", address="10.0.0.1", port=1),
            status=Status.FAILED,
            reason=Reason.CLOSED,
            facts=ApiFacts(**facts),  # type: ignore[arg-type]
            started_ns=0,
            duration_ns=1,
        )

    assert answers_tls([api(first_bytes=r"\x15\x03\x03\x00\x02\x02P")])
    assert answers_tls([api(answers_tls=True)])
    assert not answers_tls([api(first_bytes="HTTP/1.1 400"), api()])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "localhost:1", "-m", "canary"), "-m selects tests, and a bootstrap string has none"),
        (("verify", "localhost:1", "-x"), "-x selects tests"),
        (("verify", "localhost:1", "--read-only", "--measure", "brief"), "--read-only writes nothing"),
        (("verify", "localhost:1", "--measure", "much"), "'much' is not one of brief, full"),
        (("verify", "localhost:1", "--verdict-within", "1"), "a verdict within 1000 ms"),
        (("verify", "localhost:1", "--from", "'"), "No closing quotation; give a command prefix"),
        (("verify", "localhost:1", "--from", " "), "--from is empty"),
        (("verify", "peering", "--tls"), "--tls is for a bootstrap string alone"),
        (("verify", "peering", "--read-only"), "--read-only is for a bootstrap string alone"),
        (("verify", "what is this"), "not a bootstrap string (HOST:PORT)"),
        (("verify", "localhost:99999"), "no name and port"),
        (("topology", "from", "localhost"), "no name and port; expected HOST:PORT"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = brokerproof(*words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


SECRET = "hunter2-is-secret"
SCRAM = ("--username", "env:U", "--password", "file:/run/p")
MTLS = ("--certificate", "file:/c.pem", "--key", "file:/c.key")


def of_options(bootstrap: str, *words: str) -> Wanted:
    """What these words say of a bootstrap string, read by the command's own options."""

    @click.command()
    @bootstrap_options
    def command(**options: Any) -> Wanted:
        return wanted_of(bootstrap, "here", **options)

    found = command.main(list(words), standalone_mode=False)
    assert isinstance(found, Wanted)
    return found


@pytest.mark.parametrize(
    ("bootstrap", "words", "scheme"),
    [
        ("localhost:19092", (), "none"),
        ("localhost:19092", SCRAM, "scram_sha_512"),
        ("localhost:19092", MTLS, "mtls"),
        ("localhost:19092", ("--profile", "reader"), "iam"),
        (f"{MSK.format(1)}:9098", (), "iam"),
        ("kafka.example:9098", (), "none"),
        (f"{MSK.format(1)}:9098", ("--authentication", "none"), "none"),
        (f"{MSK.format(1)}:9094", (), "none"),
    ],
)
def test_a_client_logs_in_as_it_is_told_or_by_what_it_is_given(
    bootstrap: str, words: tuple[str, ...], scheme: str
) -> None:
    assert of_options(bootstrap, *words).authentication == scheme


def test_a_client_of_the_options_logs_in_as_one_of_a_file_does() -> None:
    words = (*MTLS, "--key-password", "env:P")
    one = topology_from(Asked(of_options(f"{MSK.format(1)}:9094", *words), True, asked((1, MSK.format(1), 9094)).run))
    again = loads(started(one), source="mine.yaml").clients[0]
    assert again.authentication is AuthenticationScheme.MTLS
    assert again.credentials.model_dump(exclude_none=True) == {
        "certificate": "file:/c.pem",
        "key": "file:/c.key",
        "key_password": "env:P",
    }


def test_every_credential_of_a_file_has_its_option() -> None:
    assert set(LOGIN_NAMES) == {"authentication", *Credentials.model_fields}


@pytest.mark.parametrize("option", ["--username", "--password", "--certificate", "--key", "--key-password"])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(option: str) -> None:
    for command in (("verify", "localhost:1"), ("topology", "from", "localhost:1")):
        done = brokerproof(*command, option, SECRET)
        assert done.exit_code == 2
        assert f"{option} takes where it is, as env:NAME or file:/path" in " ".join(done.output.split())
        assert SECRET not in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("localhost:1", "--authentication", "mtls"), "mtls needs --certificate and --key"),
        (("localhost:1", "--username", "env:U"), "scram_sha_512 needs --password"),
        ((f"{MSK.format(1)}:9096",), "scram_sha_512 needs --username and --password"),
        (("localhost:1", *SCRAM, "--profile", "p"), "scram_sha_512 has no use for --profile"),
        (("localhost:1", "--authentication", "none", *MTLS), "none has no use for --certificate and --key"),
        (("localhost:1", *SCRAM, "--plaintext"), "clients log in over TLS alone"),
        (("localhost:1", "--region-name", "N. Virginia"), "--region-name 'N. Virginia': is not the name of a Region"),
        (("peering", "--profile", "reader"), "--profile is for a bootstrap string alone"),
    ],
)
def test_a_login_that_cannot_be_is_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = brokerproof("verify", *words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())


def test_a_login_is_asked_over_tls_alone() -> None:
    plans: list[Plan] = []

    class Silent:
        def run(self, plan: Plan) -> VantageRun:
            plans.append(plan)
            return VantageRun()

    ask(of_options("localhost:19092", *SCRAM), cast("Vantage", Silent()))
    [plan] = plans
    assert plan.tls is not None
    assert plan.authentication is not None
    assert (plan.authentication.username, plan.authentication.password) == ("env:U", "file:/run/p")


def test_the_string_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.txt"
    file.write_text("# production\nb-1.example:9094,\n\nb-2.example:9094  # the second\n")
    assert [each.name for each in of_options(f"@{file}").endpoints] == ["b-1.example", "b-2.example"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no broker; expected HOST:PORT"),
        (b"# nothing\n", "names no broker"),
        (b"b-1.example\n", "has no bootstrap string; expected HOST:PORT"),
        (b"\xff\xfe", "is not text (UTF-8)"),
        (b"a:1\n" * 20_000, "has more than 65,536 bytes"),
        (b"b-1.example:70000", "no name and port"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_without_one_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "b"
    if content is not None:
        file.write_bytes(content)
    for command in (("verify",), ("topology", "from")):
        done = brokerproof(*command, f"@{file}")
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("ssh:me@far:22", {"kind": "ssh", "host": "far", "user": "me", "port": 22}),
        ("ssh:host=far,jump_hosts=a+b", {"kind": "ssh", "host": "far", "jump_hosts": ("a", "b")}),
        ("ssm:i-0abc@us-east-1", {"kind": "ssm", "instance_id": "i-0abc", "region_name": "us-east-1"}),
        ("kubernetes:deployment/orders", {"kind": "kubernetes", "pod": "deployment/orders"}),
        (
            "kubernetes:image=python:3.12-slim,namespace=apps,labels.app=orders",
            {"kind": "kubernetes", "image": "python:3.12-slim", "namespace": "apps", "labels": {"app": "orders"}},
        ),
        ("docker:app", {"kind": "docker", "container": "app"}),
        ("podman:image=python,network=apps", {"kind": "podman", "image": "python", "network": "apps"}),
        ("ip netns exec a", {"kind": "exec", "command": ("ip", "netns", "exec", "a"), "far_shell": False}),
    ],
)
def test_a_place_is_what_a_file_says_of_a_vantage(place: str, settings: dict[str, object]) -> None:
    assert vantage_of(place).model_dump(exclude_defaults=True) == settings


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (None, ""),
        ("ssh:me@far", "from far by ssh"),
        ("kubernetes:orders-0", "from orders-0 by kubernetes"),
        ("kubernetes:image=python", "from a pod of python that kubernetes starts for it"),
        ("podman:image=python", "from a container of python that podman starts for it"),
        ("ip netns exec a", "from ip netns exec a by exec"),
    ],
)
def test_where_is_probed_from_is_said_before_it_takes_its_time(place: str | None, said: str) -> None:
    assert from_where(vantage_of(place)) == said


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("ssh:", "expected ssh:[USER@]HOST[:PORT]"),
        ("ssh:a b", "expected ssh:[USER@]HOST[:PORT]"),
        ("ssh:far:99999", "port: "),
        ("kubernetes:", "expected kubernetes:POD"),
        ("kubernetes:pod=a,image=b", "takes pod (a pod that runs) or image (for one of its own), one of the two"),
        ("kubernetes:pod=a,labels.x=y", "labels is of no use without image"),
        ("kubernetes:image=a,container=b", "a pod of its own has one container"),
        ("docker:pod=a", "pod is of no use to docker; it is for kubernetes"),
        ("podman:image=a,colour=red", "colour: Extra inputs are not permitted"),
        ("podman:image=", "expected podman:CONTAINER"),
    ],
)
def test_a_place_that_cannot_be_is_one_sentence(place: str, said: str) -> None:
    for command in (("verify", "localhost:1"), ("probe", "remove")):
        done = brokerproof(*command, "--from", place)
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.output.split())


@pytest.mark.installed
def test_where_nobody_listens_it_is_red_and_names_what_it_may_be(tmp_path: Path) -> None:
    done = brokerproof("verify", "127.0.0.1:1", "--run-dir", str(tmp_path / "run"))
    assert done.exit_code == 1, done.output
    assert "The bootstrap names do not accept connections" in done.output
    assert "cluster.broker_down: bring the broker at 127.0.0.1:1 back" in " ".join(done.output.split())
    assert (tmp_path / "run" / "report.html").exists()
    again = brokerproof("verify", "127.0.0.1:1", "--run-dir", str(tmp_path / "run"))
    assert again.exit_code == 2
    assert "holds an earlier run" in again.output


@pytest.mark.installed
def test_a_probe_that_cannot_be_run_says_nothing_of_a_path(tmp_path: Path) -> None:
    done = brokerproof("verify", "127.0.0.1:1", "--from", "/no/such/command", "--run-dir", str(tmp_path / "run"))
    assert done.exit_code == 3, done.output
    assert "cannot start '/no/such/command'" in done.output
    assert not (tmp_path / "run").exists()
    written = brokerproof("topology", "from", "127.0.0.1:1")
    assert written.exit_code == 2
    assert "nobody named a broker" in written.output
