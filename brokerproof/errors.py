"""How a command may end badly. A leaf that every room may import; the standard library alone.

What a room raises says by its base how the command that met it ends, so that the command line knows no room's errors.
"""

from __future__ import annotations


class WrongUseError(Exception):
    """What was asked for cannot be; whoever asked can mend it. The message is for them: exit code 2."""


class CouldNotError(Exception):
    """What was asked for is right and could not be carried out here. The message says why: exit code 3."""
