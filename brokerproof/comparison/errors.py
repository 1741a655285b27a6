"""The errors of this room, in a module that is quick to import."""

from __future__ import annotations

from brokerproof.errors import WrongUseError


class SamplesError(WrongUseError):
    """A file of samples cannot be read or written; the message names it."""


class NothingToCompareError(WrongUseError):
    """The samples are of no two parties that stand against each other; the message names whose they are."""
