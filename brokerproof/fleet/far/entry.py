"""``brokerproof.fleet.far.entry.handle``: what a function's runtime calls. Importing it starts the probe.

A function's start has a whole core, whatever its memory (AWS Lambda developer guide, execution environment): the probe
is started first, and imports its libraries while this process makes its client of S3.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from brokerproof.fleet.far.handler import PATIENCE, Context, Handler
from brokerproof.fleet.far.objects import ByRole
from brokerproof.vantages.exec import ExecVantage
from brokerproof.vantages.local import this_probe

_NAME = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "lambda")
_VANTAGE = ExecVantage(_NAME, (), python=sys.executable, environment=this_probe(), patience=PATIENCE)


def _s3() -> Any:
    import botocore.session  # noqa: PLC0415  while the probe starts
    from botocore.config import Config  # noqa: PLC0415  likewise

    config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=3, read_timeout=20)
    return botocore.session.get_session().create_client("s3", config=config)


_VANTAGE.prepare()
_HANDLER = Handler(_VANTAGE, ByRole(_s3()))


def handle(event: object, context: Context) -> dict[str, Any]:
    """Run one item of a fleet; see :class:`.handler.Handler`."""
    return _HANDLER(event, context)
