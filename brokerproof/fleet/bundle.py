"""The probe's bundle with what makes it a Lambda function, or the work of an instance."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import brokerproof
from brokerproof.vantages.bundle import FOR_IAM, Bundle, FarPlatform, Files, bundle_for

HANDLER: Final = "brokerproof.fleet.far.entry.handle"
"""What a function's configuration names."""
PYTHON: Final = "3.12"
MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
"""By Lambda's name of an architecture, the wheels' name."""
_VANTAGE: Final = (
    "__init__",
    "answering",
    "consistency",
    "conversation",
    "exec",
    "local",
    "one_at_a_time",
    "process",
    "protocol",
    "tail",
)


def far_files() -> Files:
    """What a function or an instance has beside the probe."""
    root = Path(brokerproof.__file__).parent
    files = [root / "errors.py", root / "wording.py", root / "fleet" / "__init__.py"]
    files += [root / "vantages" / f"{name}.py" for name in _VANTAGE]
    files += sorted((root / "fleet" / "far").glob("*.py"))
    return tuple((f"brokerproof/{path.relative_to(root)}", path) for path in files)


def function_files() -> Files:
    """What a function has beside the probe."""
    return (*far_files(), *_of_s3())


def _of_s3() -> Files:
    """What botocore says of S3, where the probe's bundle has botocore: that leaves out what a login does not need."""
    found = find_spec(FOR_IAM)
    if found is None or found.origin is None:
        return ()
    root = Path(found.origin).parents[1]
    data = sorted((root / FOR_IAM / "data" / "s3").rglob("*.json*"))
    return tuple((str(path.relative_to(root)), path) for path in data if not path.name.startswith("examples"))


def function_bundle(architecture: str, python: str = PYTHON) -> Bundle:
    """The zip of a function.

    Args:
        architecture: As Lambda calls it: ``x86_64`` or ``arm64``.
        python: The version of the runtime.

    Raises:
        BundleError: it cannot be made.
    """
    return bundle_for(FarPlatform(python, MACHINES[architecture]), besides=function_files())


def instance_bundle(far: FarPlatform) -> Bundle:
    """What an instance runs; it needs nothing of S3's, since it has links.

    Raises:
        BundleError: it cannot be made.
    """
    return bundle_for(far, besides=far_files())
