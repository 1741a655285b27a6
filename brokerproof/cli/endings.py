"""How commands end: an error of any room becomes one message on standard error and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import IO, Any, Final, ParamSpec

import click

from brokerproof.errors import CouldNotError, WrongUseError
from brokerproof.wording import printable

NOT_RIGHT: Final = 1
WRONG_USE: Final = 2
COULD_NOT: Final = 3
INTERRUPTED: Final = 130
P = ParamSpec("P")


class Said(click.ClickException):
    """A message and the exit code it stands for."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(printable(message))
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, and end."""
        super().show(file)
        sys.exit(self.code)


def as_sentences(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what the rooms raise into one message on standard error and an exit code."""

    @wraps(function)
    def carried_out(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except WrongUseError as error:
            raise Said(str(error), WRONG_USE) from None
        except CouldNotError as error:
            raise Said(str(error), COULD_NOT) from None
        except BrokenPipeError:
            raise  # click's
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise Said(f"{what}{error.strerror or error}", COULD_NOT) from error
        except KeyboardInterrupt:
            raise Said("interrupted; what was started has been ended", INTERRUPTED) from None

    return carried_out
