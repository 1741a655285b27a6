"""The lab's error: one sentence that states what happened and what to do."""

from __future__ import annotations

from brokerproof.errors import CouldNotError


class LabError(CouldNotError):
    """The lab cannot be built, reached or changed."""
