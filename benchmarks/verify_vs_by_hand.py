#!/usr/bin/env python3
"""Times a verification of a cluster by the probe against dig, openssl and kcat, one after another.

Both sides start from nothing in the client's VPC (a command prefix), look at the same names,
addresses and partitions, and take turns in the same run. See --help for what each side does.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from brokerproof.probes.client_login import client_settings  # noqa: E402
from brokerproof.probes.outcome import Closing, Outcome, Started, Status, decode_line  # noqa: E402
from brokerproof.probes.outcome.registry import SPECS  # noqa: E402
from brokerproof.probes.plan import (  # noqa: E402
    VERIFY_STAGES,
    Authentication,
    AuthenticationScheme,
    Endpoint,
    Plan,
    Tls,
    TopicMode,
    TopicPlan,
    encode_plan,
)

SIDES = """\
what each side does
  probe     one process `python -m brokerproof.probes`, all brokers and addresses at once: resolve A and AAAA and
            compare with the operating system; TCP connect, TLS (chain, name and dates judged apart)
            and ApiVersions to every address; Metadata; identity: which broker answers at each name
            and address; make a topic, produce to and consume from a partition on every leader and
            check what comes back; a consumer group (join, consume, commit); remove topic and group.
  probe, existing topic
            the same on a topic that is there, as the commands by hand have it.
  by hand   one shell, one command after another: `dig` A and AAAA for each name; `openssl s_client`
            with SNI and -verify_hostname to each name and address; `kcat -L` once; `kcat -P`, then
            `kcat -C` of that record, for one partition led by each broker; `kcat -G`: a new consumer
            group joins, reads those records and leaves. Not done: the operating system's own
            resolution, ApiVersions, identity (a broker behind another's name goes unseen), a commit
            read back, making and removing the topic (done beforehand, not timed), removing the group
            (done afterwards, not timed).
With a user of SCRAM all but dig and openssl log in. The probe logs in twice a broker and second at most, as it always
does, once on every address and once more with a repeated nonce; kcat logs in as often as it connects, and not at most.
Interpreter start, and what the prefix costs once, are in every figure."""

BY_HAND = r"""
set -u
mark() { echo "@ $1 $EPOCHREALTIME"; }
failed() { echo "by hand: $*" >&2; exit 1; }
scratch=$(mktemp -d) || failed "mktemp"
trap 'rm -r "$scratch"' EXIT
mark start
found=()
for name in "${!ports[@]}"; do
    addresses=$(dig +short "${dig[@]}" "$name" A) || failed "dig $name A"
    more=$(dig +short "${dig[@]}" "$name" AAAA) || failed "dig $name AAAA"
    [ -n "$addresses$more" ] || failed "dig $name: no address"
    for address in $addresses $more; do
        case $address in
            *.) continue ;;
            *:*) address="[$address]" ;;
        esac
        for port in ${ports[$name]}; do found+=("$name $address:$port"); done
    done
done
mark dig
for pair in "${found[@]}"; do
    read -r name to <<<"$pair"
    openssl s_client -brief -connect "$to" -servername "$name" -verify_hostname "$name" \
        -CAfile "$ca" -verify_return_error </dev/null 2>"$scratch/openssl" ||
        failed "openssl $name $to: $(tail -n 3 "$scratch/openssl")"
done
mark openssl
if [ -n "$username_file" ]; then
    # Not on a command line, which everybody on a host reads.
    {
        echo security.protocol=SASL_SSL
        echo sasl.mechanisms=SCRAM-SHA-512
        echo "sasl.username=$(cat "$username_file")"
        echo "sasl.password=$(cat "$password_file")"
    } >"$scratch/kcat.conf"
    kcat=(-F "$scratch/kcat.conf" "${kcat[@]}")
fi
kcat -L -b "$bootstrap" "${kcat[@]}" >"$scratch/list" || failed "kcat -L"
mark kcat-L
for partition in $partitions; do
    echo "$nonce-$partition" | kcat -P -b "$bootstrap" -t "$topic" -p "$partition" "${kcat[@]}" ||
        failed "kcat -P partition $partition"
    mark kcat-P
    got=$(kcat -C -q -b "$bootstrap" -t "$topic" -p "$partition" -o -1 -c 1 "${kcat[@]}") ||
        failed "kcat -C partition $partition"
    [ "$got" = "$nonce-$partition" ] || failed "partition $partition gave back '$got'"
    mark kcat-C
done
want=$(for partition in $partitions; do echo "$nonce-$partition"; done | sort)
got=$(kcat -G "$topic" -q -b "$bootstrap" -c "$(wc -w <<<"$partitions")" "${kcat[@]}" \
    -X auto.offset.reset=earliest "$topic") || failed "kcat -G"
[ "$(sort <<<"$got")" = "$want" ] || failed "the group gave back '$got'"
mark kcat-G
echo "addresses ${#found[@]}"
"""


class Broker(NamedTuple):
    """A broker as both sides are told it."""

    broker_id: int
    name: str
    port: int


class Setting(NamedTuple):
    """What is verified, and from where."""

    brokers: tuple[Broker, ...]
    bootstrap: tuple[tuple[str, int], ...]
    ca_file: str
    prefix: tuple[str, ...]
    python: str
    resolver: str | None
    replication_factor: int
    username_file: str = ""
    """Of a user of SCRAM, there; empty where nobody logs in."""
    password_file: str = ""

    @property
    def authentication(self) -> Authentication | None:
        """How the probe logs in."""
        if not self.username_file:
            return None
        return Authentication(
            scheme=AuthenticationScheme.SCRAM_SHA_512,
            username=f"file:{self.username_file}",
            password=f"file:{self.password_file}",
        )


class Timed(NamedTuple):
    """One turn of one side: the whole, and where in it the time went."""

    whole_s: float
    cpu_s: float
    """Of the processes on this machine; less noisy than the clock where others use it too."""
    parts_s: dict[str, float]
    work: str


class SideError(Exception):
    """A side did not do its work, so its time means nothing."""


def cpu_s() -> float:
    """What ended children of this process have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_client(setting: Setting, *words: str) -> list[str]:
    """The command that runs words in the client's VPC with this checkout's probes."""
    return [*setting.prefix, "env", f"PYTHONPATH={ROOT}", "PYTHONSAFEPATH=1", *words]


def probe(setting: Setting, topic: TopicPlan) -> Timed:
    """One `python -m brokerproof.probes` process for everything; every outcome must be ok."""
    logs_in = setting.authentication is not None
    stages = tuple(stage for stage in VERIFY_STAGES if SPECS[stage].applies(tls=True, logs_in=logs_in))
    plan = Plan(
        plan_id=f"benchmark-{uuid.uuid4().hex[:8]}",
        client="benchmark",
        bootstrap=tuple(Endpoint(name=name, port=port) for name, port in setting.bootstrap),
        brokers=tuple(Endpoint(name=b.name, port=b.port, broker_id=b.broker_id) for b in setting.brokers),
        stages=stages,
        authentication=setting.authentication,
        tls=Tls(ca_file=setting.ca_file),
        resolver=setting.resolver,
        topic=topic,
    )
    used_s, before = cpu_s(), time.perf_counter()
    process = subprocess.Popen(
        in_client(setting, setting.python, "-m", "brokerproof.probes"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(encode_plan(plan))
        process.stdin.close()
        first_line = process.stdout.readline()
        first_line_s = time.perf_counter() - before
        rest = process.stdout.readlines()
    whole_s, used_s = time.perf_counter() - before, cpu_s() - used_s
    try:
        lines = [decode_line(line) for line in (first_line, *rest) if line]
    except msgspec.DecodeError as error:
        raise SideError(f"probe: {error}") from error
    outcomes = [line for line in lines if isinstance(line, Outcome)]
    bad = [outcome for outcome in outcomes if outcome.status is not Status.OK]
    closing = lines[-1] if lines else None
    if not lines or not isinstance(lines[0], Started) or not isinstance(closing, Closing):
        raise SideError(f"probe: no whole run (exit status {process.returncode}): {lines[-1:]}")
    if bad or closing.left_behind:
        raise SideError(f"probe: not all ok: {bad[:3]} {closing.left_behind}")
    done = {outcome.stage for outcome in outcomes}
    if missing := [stage for stage in stages if stage not in done]:
        raise SideError(f"probe: did not do {', '.join(missing)}")
    parts_s = {"to its first line": first_line_s, "stages": closing.duration_ns / 1e9}
    return Timed(whole_s, used_s, parts_s, f"{len(outcomes)} outcomes")


def by_hand(setting: Setting) -> Timed:
    """The commands on a topic of their own, which is made before and removed after the clock runs."""
    topic = f"brokerproof-by-hand-{uuid.uuid4().hex[:8]}"
    topic_command(setting, "create", topic)
    try:
        return commands(setting, topic)
    finally:
        topic_command(setting, "delete", topic)


def commands(setting: Setting, topic: str) -> Timed:
    """One command after another in one shell; every one must succeed."""
    ports: dict[str, list[int]] = {}
    for name, port in dict.fromkeys([*setting.bootstrap, *((b.name, b.port) for b in setting.brokers)]):
        ports.setdefault(name, []).append(port)
    settings = {
        "ca": setting.ca_file,
        "username_file": setting.username_file,
        "password_file": setting.password_file,
        "bootstrap": ",".join(f"{name}:{port}" for name, port in setting.bootstrap),
        "topic": topic,
        "nonce": uuid.uuid4().hex,
        "partitions": " ".join(str(n) for n in range(len(setting.brokers))),
    }
    script = [f"{key}={shlex.quote(value)}" for key, value in settings.items()]
    script.append("declare -A ports")
    script += [f"ports[{name}]={shlex.quote(' '.join(map(str, at)))}" for name, at in ports.items()]
    script.append(f"dig=({shlex.quote('@' + setting.resolver)})" if setting.resolver else "dig=()")
    kafka = ["-X", f"ssl.ca.location={setting.ca_file}"]
    if not setting.username_file:
        kafka += ["-X", "security.protocol=SSL"]
    script.append(f"kcat=({shlex.join(kafka)})")
    used_s, before = cpu_s(), time.perf_counter()
    done = subprocess.run(
        [*setting.prefix, "bash", "-s"],
        input="\n".join([*script, BY_HAND]),
        capture_output=True,
        text=True,
        check=False,
    )
    whole_s, used_s = time.perf_counter() - before, cpu_s() - used_s
    if done.returncode:
        raise SideError(done.stderr.strip() or f"by hand: exit status {done.returncode}")
    parts_s: dict[str, float] = {}
    last_s = 0.0
    work = ""
    for line in done.stdout.splitlines():
        match line.split():
            case ["@", label, at]:
                if last_s:
                    parts_s[label] = parts_s.get(label, 0.0) + float(at) - last_s
                last_s = float(at)
            case ["addresses", count]:
                work = f"{count} addresses"
            case _:
                raise SideError(f"by hand: {line}")
    return Timed(whole_s, used_s, parts_s, work)


def prefix_alone(setting: Setting) -> float:
    """What merely getting into the client's VPC costs."""
    before = time.perf_counter()
    subprocess.run([*setting.prefix, "true"], check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - before


def topic_command(setting: Setting, action: str, topic: str) -> None:
    """Make or remove the topic, from where the brokers can be reached."""
    words = [setting.python, str(Path(__file__).resolve()), "--topic-action", action, *arguments_of(setting)]
    subprocess.run([*in_client(setting, *words), "--topic", topic], check=True, stdin=subprocess.DEVNULL)


def arguments_of(setting: Setting) -> list[str]:
    """The arguments that say the same brokers to another copy of this script."""
    words = ["--ca-file", setting.ca_file, "--replication-factor", str(setting.replication_factor)]
    for broker in setting.brokers:
        words += ["--broker", f"{broker.broker_id}={broker.name}:{broker.port}"]
    for name, port in setting.bootstrap:
        words += ["--bootstrap", f"{name}:{port}"]
    if setting.username_file:
        words += ["--username-file", setting.username_file, "--password-file", setting.password_file]
    return words


def act_on_topic(setting: Setting, action: str, topic: str) -> None:
    """In the client's VPC: a topic with one partition led by each broker, or its end."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(f"{name}:{port}" for name, port in setting.bootstrap),
        "security.protocol": "SASL_SSL" if setting.authentication else "SSL",
        "ssl.ca.location": setting.ca_file,
        "log_level": 4,
    }
    if setting.authentication:
        settings |= client_settings(setting.authentication, setting.bootstrap[0][0])
    admin = AdminClient(settings)
    if action == "delete":
        admin.delete_topics([topic], request_timeout=60)[topic].result(90)
        groups = [each.group_id for each in admin.list_consumer_groups(request_timeout=60).result(90).valid]
        if topic in groups:
            # The group of the commands by hand has the topic's name.
            try:
                admin.delete_consumer_groups([topic], request_timeout=60)[topic].result(90)
            except KafkaException as refused:
                # An empty group may be gone with its topic, before it is removed.
                if refused.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                    raise
        return
    ids = [broker.broker_id for broker in setting.brokers]
    replicas = min(setting.replication_factor, len(ids))
    assignment = [[ids[(first + n) % len(ids)] for n in range(replicas)] for first in range(len(ids))]
    new = NewTopic(topic, num_partitions=len(ids), replica_assignment=assignment)
    admin.create_topics([new], request_timeout=60)[topic].result(90)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
        if [partitions[n].leader for n in sorted(partitions)] == ids:
            return
        time.sleep(0.1)
    raise SystemExit(f"topic {topic}: its partitions have not got the leaders {ids} within 60 s")


def summary(label: str, turns: list[Timed]) -> str:
    """Median and range of a side, and the medians of its parts."""
    whole_s = [turn.whole_s for turn in turns]
    parts = ", ".join(
        f"{part} {statistics.median(turn.parts_s[part] for turn in turns):.3f}" for part in turns[0].parts_s
    )
    low, middle, high = min(whole_s), statistics.median(whole_s), max(whole_s)
    used_s = statistics.median(turn.cpu_s for turn in turns)
    return f"{label:<22} {middle:.3f} s ({low:.3f}-{high:.3f})  cpu {used_s:.3f} s; {turns[0].work}; {parts}"


def ratio(above: list[Timed], below: list[Timed]) -> tuple[float, float, float]:
    """Median, least and greatest of the ratios taken round by round."""
    ratios = [a.whole_s / b.whole_s for a, b in zip(above, below, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def compare(setting: Setting, rounds: int, warm_up: int) -> dict[str, Any]:
    """All rounds, interleaved, in turning order; prints as it goes."""
    topic = f"brokerproof-benchmark-{uuid.uuid4().hex[:8]}"
    own = TopicPlan(replication_factor=setting.replication_factor)
    existing = TopicPlan(mode=TopicMode.EXISTING, name=topic)
    sides = {
        "probe": lambda: probe(setting, own),
        "probe, existing topic": lambda: probe(setting, existing),
        "by hand": lambda: by_hand(setting),
    }
    turns: dict[str, list[Timed]] = {side: [] for side in sides}
    entering_s: list[float] = []
    topic_command(setting, "create", topic)
    try:
        for number in range(-warm_up, rounds):
            order = list(sides)[:: 1 if number % 2 else -1]
            timed = {side: sides[side]() for side in order}
            if number < 0:
                continue
            entering_s.append(prefix_alone(setting))
            for side in sides:
                turns[side].append(timed[side])
            figures = "  ".join(f"{side} {timed[side].whole_s:.3f}" for side in sides)
            print(f"round {number + 1:>2}  {figures}", flush=True)
    finally:
        topic_command(setting, "delete", topic)
    print()
    for side in sides:
        print(summary(side, turns[side]))
    print(f"{'prefix alone':<22} {statistics.median(entering_s):.3f} s, in each of the above once")
    print()
    ratios = {side: ratio(turns[side], turns["by hand"]) for side in sides if side != "by hand"}
    for side, (middle, low, high) in ratios.items():
        print(f"{side} / by hand: {middle:.2f} ({low:.2f}-{high:.2f}) over {rounds} rounds")
    return {
        "rounds": {side: [turn._asdict() for turn in turns[side]] for side in sides},
        "prefix_s": entering_s,
        "ratios": ratios,
    }


def broker_of(text: str) -> Broker:
    """A broker from ``ID=NAME:PORT``."""
    broker_id, _, endpoint = text.partition("=")
    name, port = endpoint_of(endpoint)
    return Broker(int(broker_id), name, port)


def endpoint_of(text: str) -> tuple[str, int]:
    """A name and port from ``NAME:PORT``."""
    name, _, port = text.rpartition(":")
    if not name:
        raise ValueError(text)
    return name, int(port)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{__doc__}\n{SIDES}",
        epilog=(
            "A FILE (YAML or JSON) holds the same as the options:\n\n"
            "  brokers:\n"
            "    - {id: 1, name: b-1.demo.example.com, port: 9094}\n"
            "  bootstrap: [b-1.demo.example.com:9094]\n"
            "  ca_file: ca.pem\n"
            "  prefix: [brokerproof, lab, exec, app, --]\n"
        ),
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what to verify; options win over it")
    parser.add_argument("--broker", action="append", type=broker_of, metavar="ID=NAME:PORT")
    parser.add_argument(
        "--bootstrap", action="append", type=endpoint_of, metavar="NAME:PORT", help="default: every broker"
    )
    parser.add_argument("--ca-file", help="PEM bundle, at this path in the client's VPC too")
    parser.add_argument(
        "--prefix", type=shlex.split, metavar="COMMAND", help="lands in the client's VPC; default: this machine"
    )
    parser.add_argument("--python", help="interpreter there (default: this one)")
    parser.add_argument("--resolver", help="address to ask instead of the configured nameserver")
    parser.add_argument("--username-file", help="log in by SCRAM-SHA-512 as the user in this file, there")
    parser.add_argument("--password-file", help="the user's password is in this file, there")
    parser.add_argument("--replication-factor", type=int, help="of both topics (default: 1)")
    parser.add_argument("--rounds", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--warm-up", type=int, default=1, help="rounds not counted (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every figure there")
    parser.add_argument("--topic-action", choices=["create", "delete"], help=argparse.SUPPRESS)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.warm_up < 0:
        parser.error("at least one round")
    try:
        options.setting = setting_of(options)
    except (OSError, KeyError, ValueError) as error:
        parser.error(f"{type(error).__name__}: {error}")
    return options


def setting_of(options: argparse.Namespace) -> Setting:
    """Options over file over defaults."""
    written: dict[str, Any] = YAML(typ="safe").load(options.file) if options.file else {}
    brokers = options.broker or [Broker(b["id"], b["name"], b["port"]) for b in written.get("brokers", [])]
    if not brokers:
        raise ValueError("no brokers: give FILE or --broker")
    bootstrap = options.bootstrap or [endpoint_of(text) for text in written.get("bootstrap", [])]
    ca_file = options.ca_file or written.get("ca_file")
    if not ca_file:
        raise ValueError("no --ca-file")
    prefix = options.prefix if options.prefix is not None else written.get("prefix", [])
    return Setting(
        brokers=tuple(brokers),
        bootstrap=tuple(bootstrap or [(broker.name, broker.port) for broker in brokers]),
        ca_file=ca_file,
        prefix=tuple(prefix),
        python=options.python or written.get("python") or sys.executable,
        resolver=options.resolver or written.get("resolver"),
        replication_factor=options.replication_factor or written.get("replication_factor") or 1,
        username_file=options.username_file or written.get("username_file") or "",
        password_file=options.password_file or written.get("password_file") or "",
    )


def main() -> int:
    """Exit status 0 when both sides did all their work, whatever the ratio."""
    options = parse()
    if options.topic_action:
        act_on_topic(options.setting, options.topic_action, options.topic)
        return 0
    if not options.setting.prefix and (missing := [t for t in ("dig", "openssl", "kcat") if not shutil.which(t)]):
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    print(SIDES, end="\n\n")
    try:
        figures = compare(options.setting, options.rounds, options.warm_up)
    except SideError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
