"""Runs pytest; what fails beside other tests is run once more, alone, and said to be unsteady where it passes then.

An unsteady test is a defect of the test or of what it tests, and is listed as one. It does not hide what the other
tests found: machines that run everything are shared, and a lab needs a processor in time. Nothing is run again when
more than a few fail.

    python -m tools.run_tests ARGUMENTS OF PYTEST
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_CACHE: Final = Path("build/last-tests")
_TESTS_FAILED: Final = 1
"""pytest's exit code where tests ran and some failed; any other says that something else is wrong."""
AT_MOST: Final = 5
"""More failures than this are no accident."""


def main(arguments: list[str]) -> int:
    """Run the tests; 0 where every one passed, beside others or alone."""
    shutil.rmtree(_CACHE, ignore_errors=True)
    cached = ["-o", f"cache_dir={_CACHE}"]
    done = _pytest([*arguments, *cached])
    failed = _failed()
    if done != _TESTS_FAILED or not 0 < len(failed) <= AT_MOST:
        return done
    print(f"\n{len(failed)} failed beside others; each is run again, alone", flush=True)
    again = _pytest(["-n", "0", *cached, *failed])
    if again == 0:
        print("UNSTEADY, failed beside others and passed alone; to be mended:")
        print("\n".join(f"  {test}" for test in failed), flush=True)
    return again


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _failed() -> list[str]:
    try:
        found = json.loads((_CACHE / "v/cache/lastfailed").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
