"""Commands that are imported when they are used, so that help and completion come at once."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

import click


class LateCommand(click.Command):
    """Stands for a command in its group's list; the command itself takes over when it is called.

    Args:
        name: What it is called by.
        where: ``module:attribute`` of the command.
        short_help: Its line in the list, which is the first sentence of its own help.
    """

    def __init__(self, name: str, where: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)
        self._where = where

    @cached_property
    def command(self) -> click.Command:
        """The command, imported."""
        module, _, attribute = self._where.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{self._where} is {found!r}, not a command")
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the command line of the command itself, which the context then belongs to."""
        return self.command.make_context(info_name, args, parent, **extra)
