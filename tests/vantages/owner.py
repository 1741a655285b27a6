"""A process that owns a vantage, for tests that kill it."""

from __future__ import annotations

import subprocess
import sys

from brokerproof.topology.models import ClientVantage
from tests.vantages.test_real_probe import ROOT

_SCRIPT = """
import sys
from brokerproof.topology.models import ClientVantage
from brokerproof.vantages.registry import open_vantage
from tests.vantages.test_real_probe import plan

settings = ClientVantage.model_validate_json(sys.argv[2])
vantage = open_vantage(settings.kind, "app", settings)
run = vantage.run(plan(int(sys.argv[1])), lambda _: print("amid", flush=True))
print(run.error or "ran", flush=True)
print(getattr(vantage, "_folder", ""), flush=True)
sys.stdin.read()
"""


def owner_of(settings: ClientVantage, port: int) -> subprocess.Popen[str]:
    """It says ``amid`` with each outcome of a plan, then how the run ended, then its folder here; and it waits."""
    command = [sys.executable, "-c", _SCRIPT, str(port), settings.model_dump_json()]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
