"""A sweep of many TLS endpoints on one core: names per second of the probe, blackbox_exporter and sslyze.

Each resolves every name, connects, does the TLS handshake and judges the certificate against one CA file. The names
have addresses of their own, one TLS server and one resolver (unbound) behind them, all in a network namespace that
this makes for itself. Who sweeps has one core alone; server, resolver and whoever drives have the others.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import http.client
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402
from lab import preflight  # noqa: E402
from lab.certificates import make_authority, make_server_pem  # noqa: E402
from probes.outcome import Closing, Outcome, Stage, Status, decode_line  # noqa: E402
from probes.plan import Endpoint, Limits, Plan, Tls, encode_plan  # noqa: E402

SIDES = """\
what each does for a name
  probe      A and AAAA asked of the resolver, and the operating system's answer compared; a TCP connect to the
             address; a TLS handshake with chain, dates and name judged apart, the certificate recorded, TCP_INFO.
             `resident` is `python -m probes --serve`, started before the clock; `process` is a cold start each time.
  blackbox   prometheus-blackbox-exporter, resident, one GET /probe a name: module tcp with tls and a CA file.
             What drives it is not on its core.
  sslyze     a process, started cold: certificate_info with the same CA file, its nearest scan. It does more: several
             handshakes a name to find what the server speaks, and the chain against five vendors' trust stores too.
All have the same number of names under way at once."""
DOMAIN = "sweep.example.com"
PORT = 9094
WEB = 9115
SWEEP_S = 120
STARTS_S = 10
PACKAGES = {"unbound": "unbound", "ip": "iproute2", "unshare": "util-linux"}


class Swept(NamedTuple):
    """One sweep: how long it took, and the processor time of who swept."""

    names: int
    whole_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.names / self.whole_s


class SweepError(Exception):
    """Not every name was ok, so the time means nothing."""


class Field(NamedTuple):
    """What is swept, by whom, and where."""

    names: tuple[str, ...]
    at_once: int
    core: int
    """Of those that sweep."""
    ca_file: Path
    directory: Path


def name_of(index: int) -> str:
    return f"b-{index}.{DOMAIN}"


def address_of(index: int) -> str:
    return f"127.1.{index >> 8}.{index & 255}"


# The far side.


def serve(pem: Path, threads: int) -> None:
    """TLS at every address: a handshake, and then silence until the peer goes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.num_tickets = 0
    listener = socket.create_server(("0.0.0.0", PORT), backlog=4096)

    def one_after_another() -> None:
        while True:
            sock, _ = listener.accept()
            sock.settimeout(STARTS_S)
            with suppress(OSError), context.wrap_socket(sock, server_side=True) as connection:
                while connection.recv(4096):
                    pass
            sock.close()

    for _ in range(threads):
        threading.Thread(target=one_after_another, daemon=True).start()


def resolve(directory: Path, count: int) -> subprocess.Popen[bytes]:
    """The resolver, and the system told to ask it; it ends with the namespace."""
    lines = [
        *("server:", "  interface: 127.0.0.1", "  do-daemonize: no", "  use-syslog: no", '  username: ""', '  chroot: ""'),
        *(f'  directory: "{directory}"', '  pidfile: ""', '  logfile: ""', "  verbosity: 0", "  num-threads: 1"),
        *("  do-not-query-localhost: no", '  module-config: "iterator"', f'  local-zone: "{DOMAIN}." static'),
        *(f'  local-data: "{name_of(i)}. 60 IN A {address_of(i)}"' for i in range(1, count + 1)),
        *("remote-control:", "  control-enable: no"),
    ]
    configuration = directory / "unbound.conf"
    configuration.write_text("\n".join(lines) + "\n")
    # A copy: where AppArmor confines the packaged program, it may not read this directory.
    program = shutil.copy(str(preflight.find_tool("unbound", os.environ)), directory / "unbound")
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", str(directory / "resolv.conf"), "/etc/resolv.conf"], check=True)
    log = (directory / "unbound.log").open("wb")
    process = subprocess.Popen([program, "-d", "-c", str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for("the resolver", lambda: socket.gethostbyname(name_of(count)) == address_of(count), directory / "unbound.log")
    return process


def wait_for(what: str, ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until:
        with suppress(OSError):
            if ready():
                return
        time.sleep(0.05)
    raise SystemExit(f"{what} did not answer within {STARTS_S} s: {log.read_text(errors='replace')[-500:]}")


# Those that sweep.


def on_core(core: int) -> Callable[[], None]:
    return lambda: os.sched_setaffinity(0, {core})


def cpu_s_of(pid: int) -> float:
    """Of all its threads (proc(5), utime and stime)."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def plan_of(field: Field) -> bytes:
    endpoints = tuple(Endpoint(name=n, port=PORT, broker_id=i) for i, n in enumerate(field.names, 1))
    slow = 1000 * SWEEP_S // 2  # what is measured is how fast it goes, not whether it is in time
    return encode_plan(
        Plan(
            plan_id="sweep",
            client="sweep",
            bootstrap=endpoints[:1],
            brokers=endpoints,
            stages=(Stage.RESOLVE, Stage.CONNECT, Stage.HANDSHAKE),
            tls=Tls(ca_file=str(field.ca_file)),
            limits=Limits(
                resolve_ms=slow,
                connect_ms=slow,
                handshake_ms=slow,
                plan_ms=1000 * SWEEP_S,
                concurrency=field.at_once,
            ),
        )
    )


def probe(field: Field, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "probes", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=on_core(field.core),
    )


def swept_by(process: subprocess.Popen[bytes], field: Field) -> None:
    """Hand over the plan and see every outcome ok."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(plan_of(field))
    process.stdin.flush()
    lines = []
    while not lines or b'"type":"closing"' not in lines[-1]:
        lines.append(process.stdout.readline())
        if not lines[-1] or b'"type":"refused"' in lines[-1]:
            raise SweepError(f"probe: no whole run: {lines[-1]!r}")
    field.directory.joinpath("lines").write_bytes(b"".join(lines))


def judge_probe(field: Field) -> None:
    """Apart from the sweeping, and after it: reading outcomes here must not hold up who sweeps."""
    lines = [decode_line(line) for line in field.directory.joinpath("lines").read_bytes().splitlines()]
    outcomes = [line for line in lines if isinstance(line, Outcome)]
    bad = [outcome for outcome in outcomes if outcome.status is not Status.OK]
    if bad or len(outcomes) != 3 * len(field.names) or not isinstance(lines[-1], Closing):
        raise SweepError(f"probe: {len(outcomes)} outcomes of {3 * len(field.names)}, not ok: {bad[:1]}")


@contextmanager
def resident_probe(field: Field) -> Iterator[Callable[[], Swept]]:
    with probe(field, "--serve") as process:

        def sweep() -> Swept:
            used_s, began = cpu_s_of(process.pid), time.monotonic()
            swept_by(process, field)
            swept = Swept(len(field.names), time.monotonic() - began, cpu_s_of(process.pid) - used_s)
            judge_probe(field)
            return swept

        try:
            yield sweep
        finally:
            assert process.stdin
            process.stdin.close()


def cold_probe(field: Field) -> Swept:
    began = time.monotonic()
    with probe(field) as process:
        swept_by(process, field)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    swept = Swept(len(field.names), time.monotonic() - began, used.ru_utime + used.ru_stime)
    judge_probe(field)
    return swept


@contextmanager
def blackbox(program: Path, field: Field) -> Iterator[Callable[[], Swept]]:
    module = {
        "prober": "tcp",
        "timeout": f"{SWEEP_S}s",
        "tcp": {"tls": True, "preferred_ip_protocol": "ip4", "tls_config": {"ca_file": str(field.ca_file)}},
    }
    configuration = field.directory / "blackbox.yml"
    configuration.write_text(json.dumps({"modules": {"sweep": module}}))
    log = field.directory / "blackbox.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(program), f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{WEB}", "--log.level=error"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # It sees one processor and so runs one thread of Go at a time, as where it has a core.
            preexec_fn=on_core(field.core),
        ) as process,
    ):
        try:
            wait_for("blackbox_exporter", is_web_up, log)

            def sweep() -> Swept:
                used_s, began = cpu_s_of(process.pid), time.monotonic()
                asyncio.run(drive(field))
                return Swept(len(field.names), time.monotonic() - began, cpu_s_of(process.pid) - used_s)

            yield sweep
        finally:
            process.terminate()


def is_web_up() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", WEB, timeout=1)
    connection.request("GET", "/-/healthy")
    return connection.getresponse().status == http.HTTPStatus.OK


async def drive(field: Field) -> None:
    """Every name once, over as many kept connections as names are to be under way."""
    left = iter(field.names)
    wrong: list[str] = []

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", WEB)
        for name in left:
            writer.write(
                f"GET /probe?module=sweep&target={name}:{PORT} HTTP/1.1\r\nHost: sweep\r\n"
                f"X-Prometheus-Scrape-Timeout-Seconds: {SWEEP_S}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if b"chunked" in head.lower():
                body = b""
                while size := int(await reader.readline(), 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readline()
            else:
                length = next(v for k, _, v in (h.partition(b":") for h in head.split(b"\r\n")) if k.lower() == b"content-length")
                body = await reader.readexactly(int(length))
            if b"\nprobe_success 1\n" not in body:
                wrong.append(f"{name}: {(head + body)[-200:]!r}")
        writer.close()

    await asyncio.gather(*(worker() for _ in range(field.at_once)))
    if wrong:
        raise SweepError(f"blackbox_exporter: {len(wrong)} of {len(field.names)} names failed: {wrong[0]}")


def sslyze(python: Path, field: Field) -> Swept:
    request = {"names": field.names, "port": PORT, "ca_file": str(field.ca_file), "at_once": field.at_once}
    (field.directory / "sslyze.json").write_text(json.dumps(request))
    began = time.monotonic()
    with (field.directory / "sslyze.json").open("rb") as told:
        process = subprocess.Popen(
            [str(python), str(ROOT / "benchmarks" / "sslyze_scan.py")],
            stdin=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=on_core(field.core),
        )
        with process:
            assert process.stdout
            assert process.stderr
            answer, words = process.stdout.read(), process.stderr.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = status
    swept = Swept(len(field.names), time.monotonic() - began, used.ru_utime + used.ru_stime)
    if status:
        raise SweepError(f"sslyze: {words.decode(errors='replace')[-300:]}")
    said = json.loads(answer)
    if said["ok"] != len(field.names):
        raise SweepError(f"sslyze: {said['ok']} of {len(field.names)} names ok: {said['wrong']}")
    return swept


# The comparison.


def inside(chosen: argparse.Namespace) -> None:
    """In namespaces of its own, which end with this process."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    directory = Path(chosen.inside)
    now = dt.datetime.now(dt.UTC)
    authority = make_authority("Sweep", now)
    (directory / "ca.pem").write_bytes(authority.root_pem)
    day = dt.timedelta(days=1)
    (directory / "server.pem").write_bytes(make_server_pem(authority, (f"*.{DOMAIN}",), now - day, now + day))
    field = Field(
        names=tuple(name_of(i) for i in range(1, chosen.names + 1)),
        at_once=chosen.at_once,
        core=cores[0],
        ca_file=directory / "ca.pem",
        directory=directory,
    )
    few = field._replace(names=field.names[: chosen.sslyze_names])
    serving = os.fork()
    if not serving:
        serve(directory / "server.pem", 4 * chosen.at_once)
        threading.Event().wait()
    resolver = resolve(directory, chosen.names)
    try:
        compare(chosen, field, few, len(cores))
    except SweepError as error:
        raise SystemExit(str(error)) from None
    finally:
        resolver.kill()
        resolver.wait()
        os.kill(serving, 9)
        os.waitpid(serving, 0)


def compare(chosen: argparse.Namespace, field: Field, few: Field, cores: int) -> None:
    """All rounds, in turning order."""
    print(
        f"{chosen.names} names ({len(few.names)} for sslyze), {chosen.at_once} at once, {chosen.rounds} rounds in turns, "
        f"who sweeps on one core of {cores}",
        flush=True,
    )
    with resident_probe(field) as resident:
        sides: dict[str, Callable[[], Swept]] = {"probe, resident": resident, "probe, process": lambda: cold_probe(field)}
        taken: dict[str, list[Swept]] = {}
        if chosen.blackbox:
            with blackbox(Path(chosen.blackbox), field) as by_blackbox:
                sides["blackbox"] = by_blackbox
                take(chosen, sides | by_sslyze(chosen, few), taken)
        else:
            take(chosen, sides | by_sslyze(chosen, few), taken)
    report(taken)


def by_sslyze(chosen: argparse.Namespace, few: Field) -> dict[str, Callable[[], Swept]]:
    return {"sslyze": lambda: sslyze(Path(chosen.sslyze), few)} if chosen.sslyze else {}


def take(chosen: argparse.Namespace, sides: dict[str, Callable[[], Swept]], taken: dict[str, list[Swept]]) -> None:
    for number in range(chosen.rounds + 1):
        for side in list(sides)[:: 1 if number % 2 else -1]:
            swept = sides[side]()
            if number:  # the first round warms up
                taken.setdefault(side, []).append(swept)


def report(taken: dict[str, list[Swept]]) -> None:
    print("names per second: median (least-most); processor time a name of who sweeps")
    for side, all_swept in taken.items():
        speeds = [swept.per_s for swept in all_swept]
        cpu_ms = statistics.median(1000 * swept.cpu_s / swept.names for swept in all_swept)
        middle = statistics.median(speeds)
        print(f"{side:16} {middle:8.0f} ({min(speeds):.0f}-{max(speeds):.0f})  {cpu_ms:.2f} ms")
    for ours, peer in (("probe, resident", "blackbox"), ("probe, process", "blackbox"), ("probe, process", "sslyze")):
        if peer in taken:
            ratios = [a.per_s / b.per_s for a, b in zip(taken[ours], taken[peer], strict=True)]
            print(f"{ours} / {peer}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n{SIDES}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--names", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--sslyze-names", type=int, default=200, help="sslyze takes long (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=64, help="names under way at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="after one to warm up (default: %(default)s)")
    parser.add_argument("--inside", metavar="DIRECTORY", help=argparse.SUPPRESS)
    parser.add_argument("--blackbox", default="", help=argparse.SUPPRESS)
    parser.add_argument("--sslyze", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if not 1 <= chosen.names <= 60_000 or chosen.rounds < 1 or chosen.at_once < 1:
        parser.error("1 to 60000 names, at least one round, at least one name at once")
    return chosen


def main() -> None:
    chosen = parse()
    if chosen.inside:
        inside(chosen)
        return
    if missing := [p for tool, p in PACKAGES.items() if preflight.find_tool(tool, os.environ) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)} (make setup installs them)")
    print(SIDES, end="\n\n", flush=True)
    blackbox_program, sslyze_python = peers.blackbox_exporter(), peers.sslyze_python()
    with tempfile.TemporaryDirectory(prefix="sweep-") as directory:
        command = ["unshare", *preflight.namespace_options(), "--", sys.executable, __file__, "--inside", directory]
        command += ["--blackbox", str(blackbox_program or ""), "--sslyze", str(sslyze_python or "")]
        for option in ("names", "sslyze_names", "at_once", "rounds"):
            command += [f"--{option.replace('_', '-')}", str(getattr(chosen, option))]
        path = preflight.search_path(os.environ)
        raise SystemExit(subprocess.run(command, check=False, env={**os.environ, "PATH": path}).returncode)


if __name__ == "__main__":
    main()
