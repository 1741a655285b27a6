"""``python -m benchmarks.change_runs``: how often `brokerproof change` accepts, rejects or cannot compare no change.

One lab; each run looks before, lets clients live through some seconds in which nothing is changed, looks after, and is
judged without a declaration. With ``--outage-ms`` the addresses of one broker are cut off for so long in each run, by a
packet filter of the router of the client's VPC: then every run is to be rejected.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections import Counter

from brokerproof.change.declaration import NOTHING
from brokerproof.change.judgement import Answer, Judgement, judge_change
from brokerproof.change.session import ChangeError, Watching, look
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.layout import router_name
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.wording import one_line

PATTERN, CLIENT, CUT_OFF = "privatelink_multi_nlb", "account_b", 2
OPTIONS = PatternOptions(brokers=2, zones=2)
MOST_RUNS, MOST_MINUTES, MOST_OUTAGE_MS = 500, 240, 10_000


def cut_off(lab: Lab, broker_id: int, outage_ms: int) -> None:
    """Drop what the router of the client's VPC forwards to a broker's addresses and from them, for a while.

    What the client's own host drops is no loss to its TCP: it was never sent, and is not sent again.
    """
    topology = lab.topology
    [broker] = (each for each in expect(topology, CLIENT).brokers if each.broker_id == broker_id)
    those = "{ " + ", ".join(str(each.address) for each in broker.addresses) + " }"
    rules = (
        "table ip cut {\n chain through {\n type filter hook forward priority -10;\n"
        f" ip daddr {those} drop\n ip saddr {those} drop\n }}\n}}\n"
    )
    router = f"/run/netns/{router_name(topology.client(CLIENT).vpc_id)}"
    inside = ["nsenter", "--target", str(lab.pid), "--mount", "--pid", "--", "nsenter", f"--net={router}", "--"]
    script = f"nft -f - && sleep {outage_ms / 1000}; nft delete table ip cut"
    subprocess.run([*inside, "sh", "-c", script], input=rules, text=True, check=True)


def one_run(lab: Lab, command_s: float, settle_s: float, outage_ms: int, *, with_java: bool) -> Judgement:
    """One change that changes nothing, or cuts one broker off."""
    topology = lab.topology
    clients = [topology.client(CLIENT)]
    before = look(topology, clients, measure=False, lab=lab)
    with Watching(topology, clients, lab=lab, progress=lambda _: None, with_java=with_java) as watching:
        began = time.time()
        time.sleep(command_s / 2)
        if outage_ms:
            cut_off(lab, CUT_OFF, outage_ms)
        time.sleep(command_s / 2)
        ended = time.time()
        time.sleep(settle_s)
        survivals, troubles = watching.reports()
    after = look(topology, clients, measure=False, lab=lab)
    return judge_change(before, after, survivals, NOTHING, command_began=began, command_ended=ended, troubles=troubles)


def told(judgement: Judgement) -> str:
    """The answer, and what speaks against acceptance, each by the first line of what was seen."""
    details = [(why.title, *why.detail.splitlines()[:1]) for why in judgement.whys]
    whys = "; ".join(f"{title} ({seen[0]})" if seen else title for title, *seen in details)
    return one_line(judgement.answer.replace("_", " ") + (f": {whys}" if whys else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50, help=f"up to {MOST_RUNS} (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="begin no run after so long (default: %(default)s)")
    parser.add_argument("--command-s", type=float, default=4, help="how long nothing is done (default: %(default)s)")
    parser.add_argument("--settle-s", type=float, default=3, help="and waited for afterwards (default: %(default)s)")
    parser.add_argument("--outage-ms", type=int, default=0, help=f"cut broker {CUT_OFF} off for so long in each run")
    parser.add_argument("--without-java", action="store_true", help="let librdkafka's clients live alone")
    chosen = parser.parse_args()
    runs = min(max(1, chosen.runs), MOST_RUNS)
    outage_ms = min(max(0, chosen.outage_ms), MOST_OUTAGE_MS)
    until = time.monotonic() + 60 * min(chosen.minutes, MOST_MINUTES)
    counts: Counter[str] = Counter()
    with Lab.start(PATTERNS[PATTERN].build(OPTIONS)) as lab:
        for number in range(1, runs + 1):
            if time.monotonic() > until:
                print(f"{chosen.minutes:g} minutes are over")
                break
            try:
                judgement = one_run(
                    lab, chosen.command_s, chosen.settle_s, outage_ms, with_java=not chosen.without_java
                )
                counts[judgement.answer] += 1
                words = told(judgement)
            except ChangeError as problem:
                counts["did not run"] += 1
                words = f"did not run: {problem}"
            print(f"{number:>3}  load {os.getloadavg()[0]:5.1f}  {words}", flush=True)
    kinds = (*Answer, *(kind for kind in counts if kind not in set(Answer)))
    print(", ".join(f"{counts[kind]} {kind.replace('_', ' ')}" for kind in kinds))


if __name__ == "__main__":
    main()
