"""What ``make kubernetes`` builds, where it is there: Kubernetes' servers, and Helm's templates, as one program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(named) if (named := os.environ.get("BROKERPROOF_KUBERNETES")) else None
