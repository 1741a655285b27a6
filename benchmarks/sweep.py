"""A sweep of many TLS endpoints on one core: names per second of the probe, blackbox_exporter and sslyze.

Clusters of --brokers names each, with a wildcard certificate a cluster as on MSK; every name has an address of its
own. One TLS server and one resolver (unbound) are behind them, all in a network namespace that this makes for
itself. Who sweeps has one core alone; server, resolver and whoever drives have the others.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402
from benchmarks.sweep_sides import (  # noqa: E402
    PORT,
    STARTS_S,
    Field,
    Place,
    Sweep,
    SweepError,
    Swept,
    blackbox,
    probe,
    wait_for,
    worker,
)
from brokerproof.lab.daemons.certificates import make_authority, make_server_pem  # noqa: E402
from brokerproof.lab.life import preflight  # noqa: E402

SIDES = """\
what each does for a name, all with as many names under way at once, in processes that run before the clock does
  connect and TLS, addresses known
    probe     the stages connect and handshake: chain, dates and name judged apart and all told, the certificate
              recorded, TCP_INFO before and after, an outcome each.
    blackbox  prometheus-blackbox-exporter, one GET /probe: module tcp with tls, a CA file and the name to expect.
              What drives it is not on its core.
    sslyze    certificate_info with the CA file, its nearest scan. It does more: several handshakes a name, to find
              what the server speaks, and the chain against the trust stores of five vendors too.
  by name
    probe     `python -m brokerproof.probes --serve`: A and AAAA asked of the resolver, getaddrinfo beside them, and
              the three compared; then as above.
    blackbox  it looks the address up, once; then as above."""
DOMAIN = "sweep.example.com"
TOOLS = {"unbound": "unbound", "ip": "iproute2", "unshare": "util-linux", "taskset": "util-linux"}
HANDSHAKE, BY_NAME = "connect and TLS, addresses known", "by name"


# The far side.


def places_of(names: int, brokers: int) -> tuple[Place, ...]:
    return tuple(
        Place(
            name=f"b-{i % brokers + 1}.c{i // brokers}.{DOMAIN}",
            address=f"127.1.{i >> 8}.{i & 255}",
            first=f"b-1.c{i // brokers}.{DOMAIN}",
        )
        for i in range(names)
    )


def certificates(field: Field) -> dict[str, Path]:
    """A file a cluster, by what follows a broker's own label in its name."""
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    authority = make_authority("Sweep", now)
    field.ca_file.write_bytes(authority.root_pem)
    files = {each.first.partition(".")[2]: field.directory / f"{each.first}.pem" for each in field.places}
    for cluster, file in files.items():
        file.write_bytes(make_server_pem(authority, (f"*.{cluster}",), now - day, now + day))
    return files


def serve(files: dict[str, Path], threads: int) -> None:
    """TLS at every address: a handshake, and then silence until the peer goes."""
    contexts: dict[str, ssl.SSLContext] = {}
    for cluster, file in files.items():
        contexts[cluster] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[cluster].load_cert_chain(file)
        contexts[cluster].num_tickets = 0

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = contexts.get((name or "").partition(".")[2], first)

    first = next(iter(contexts.values()))
    first.sni_callback = choose  # type: ignore[assignment]
    listener = socket.create_server(("0.0.0.0", PORT), backlog=4096)

    def one_after_another() -> None:
        while True:
            sock, _ = listener.accept()
            sock.settimeout(STARTS_S)
            with suppress(OSError), first.wrap_socket(sock, server_side=True) as connection:
                while connection.recv(4096):
                    pass
            sock.close()

    for _ in range(threads):
        threading.Thread(target=one_after_another, daemon=True).start()


def resolve(field: Field) -> None:
    """Start the resolver and have the system ask it; both end with the namespaces."""
    directory, last = field.directory, field.places[-1]
    lines = [
        *("server:", "  interface: 127.0.0.1", "  do-daemonize: no", "  use-syslog: no", "  num-threads: 1"),
        *('  username: ""', '  chroot: ""', '  pidfile: ""', '  logfile: ""', f'  directory: "{directory}"'),
        # As many questions at once as there may be would not fit into the usual buffer.
        "  so-rcvbuf: 4m",
        *('  module-config: "iterator"', f'  local-zone: "{DOMAIN}." static'),
        *(f'  local-data: "{each.name}. 60 IN A {each.address}"' for each in field.places),
        *("remote-control:", "  control-enable: no"),
    ]
    configuration, log = directory / "unbound.conf", directory / "unbound.log"
    configuration.write_text("\n".join(lines) + "\n")
    # A copy: where AppArmor confines the packaged program, it may not read this directory.
    program = shutil.copy(str(preflight.find_tool("unbound", os.environ)), directory / "unbound")
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", str(directory / "resolv.conf"), "/etc/resolv.conf"], check=True)
    with log.open("wb") as words:
        subprocess.Popen([program, "-d", "-c", configuration], stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    wait_for("the resolver", lambda: socket.gethostbyname(last.name) == last.address, log)


# The comparison.


def inside(chosen: argparse.Namespace) -> None:
    """As the first process of namespaces that end with it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    directory = Path(chosen.inside)
    places = places_of(chosen.names, chosen.brokers)
    field = Field(places, chosen.at_once, cores[0], directory / "ca.pem", directory)
    files = certificates(field)
    if not os.fork():
        serve(files, 4 * chosen.at_once)
        signal.pause()
    print(
        f"{chosen.names} names of {len(files)} clusters, {chosen.at_once} at once, {chosen.rounds} rounds in turns; "
        f"who sweeps has one of {len(cores)} cores",
        flush=True,
    )
    try:
        resolve(field)
        compare(chosen, field)
    except SweepError as error:
        raise SystemExit(str(error)) from None


def compare(chosen: argparse.Namespace, field: Field) -> None:
    """All rounds, in turning order; the first warms up and does not count."""
    few = field._replace(places=field.places[: chosen.sslyze_names])
    sides: dict[tuple[str, str], Sweep] = {}
    with ExitStack() as stack:
        sides[HANDSHAKE, "probe"] = stack.enter_context(worker("probe", sys.executable, "sweep_worker.py", field))
        sides[BY_NAME, "probe"] = stack.enter_context(probe(field))
        if chosen.blackbox:
            both = stack.enter_context(blackbox(chosen.blackbox, field))
            sides[HANDSHAKE, "blackbox"], sides[BY_NAME, "blackbox"] = both
        if chosen.sslyze:
            scan = stack.enter_context(worker("sslyze", chosen.sslyze, "sslyze_scan.py", few))
            sides[HANDSHAKE, "sslyze"] = scan
        taken: dict[tuple[str, str], list[Swept]] = {side: [] for side in sides}
        for number in range(chosen.rounds + 1):
            for side in list(sides)[:: 1 if number % 2 else -1]:
                swept = sides[side]()
                if number:
                    taken[side].append(swept)
    report(taken)


def report(taken: dict[tuple[str, str], list[Swept]]) -> None:
    print("names per second: median (least-most); processor time a name")
    for what in (HANDSHAKE, BY_NAME):
        print(what)
        ours = taken[what, "probe"]
        for (other, who), all_swept in taken.items():
            if other != what:
                continue
            speeds = [swept.per_s for swept in all_swept]
            cpu_ms = statistics.median(1000 * swept.cpu_s / swept.names for swept in all_swept)
            line = f"  {who:9} {statistics.median(speeds):7.0f} ({min(speeds):.0f}-{max(speeds):.0f})  {cpu_ms:.2f} ms"
            if who != "probe":
                ratios = [a.per_s / b.per_s for a, b in zip(ours, all_swept, strict=True)]
                line += f"; probe / {who}: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            print(line)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n{SIDES}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--names", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--brokers", type=int, default=30, help="names a cluster (default: %(default)s)")
    parser.add_argument("--sslyze-names", type=int, default=200, help="sslyze takes long (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=64, help="names under way at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="after one to warm up (default: %(default)s)")
    parser.add_argument("--inside", metavar="DIRECTORY", help=argparse.SUPPRESS)
    parser.add_argument("--blackbox", default="", help=argparse.SUPPRESS)
    parser.add_argument("--sslyze", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    least = min(chosen.names, chosen.brokers, chosen.sslyze_names, chosen.at_once, chosen.rounds)
    if least < 1 or chosen.names > 60_000:
        parser.error("1 to 60000 names, and at least one of everything else")
    return chosen


def main() -> None:
    chosen = parse()
    if chosen.inside:
        inside(chosen)
        return
    if missing := [package for tool, package in TOOLS.items() if preflight.find_tool(tool, os.environ) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)} (make setup installs them)")
    print(SIDES, end="\n\n", flush=True)
    blackbox_program, sslyze_python = peers.blackbox_exporter(), peers.sslyze_python()
    with tempfile.TemporaryDirectory(prefix="sweep-") as directory:
        command = ["unshare", *preflight.namespace_options(), "--", sys.executable, __file__, "--inside", directory]
        command += ["--blackbox", str(blackbox_program or ""), "--sslyze", str(sslyze_python or "")]
        for option in ("names", "brokers", "sslyze_names", "at_once", "rounds"):
            command += [f"--{option.replace('_', '-')}", str(getattr(chosen, option))]
        path = preflight.search_path(os.environ)
        raise SystemExit(subprocess.run(command, check=False, env={**os.environ, "PATH": path}).returncode)


if __name__ == "__main__":
    main()
