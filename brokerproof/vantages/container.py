"""The vantages ``docker`` and ``podman``: in a container that runs, or in one of its own in a network.

The program is the user's own, as it is set up here. What runs in the container is :mod:`brokerproof.vantages.exec`'s
business.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Protocol

from brokerproof.vantages.exec import ExecSettings, Patience
from brokerproof.vantages.own_far_side import HOME, KEEPS, NOBODY, FarSideError, OwnFarSide, called, drawn_name

START_S: Final = 300.0
"""For an image to be pulled and its container to be started."""
LABEL: Final = "io.github.brokerproof=probe"


class ContainerSettings(ExecSettings, Protocol):
    """What a topology file says of such a vantage."""

    @property
    def kind(self) -> str:
        """The program: ``docker`` or ``podman``."""
        ...

    @property
    def container(self) -> str | None:
        """A container that runs, by its name or id."""
        ...

    @property
    def image(self) -> str | None:
        """Instead of one that runs: what a container of its own is made of; it has Python."""
        ...

    @property
    def network(self) -> str | None:
        """Of the container of its own: its network, by the program's own words; None is the program's default."""
        ...


def open_vantage(client: str, settings: ContainerSettings) -> ContainerVantage:
    """The vantage of a client in a container.

    Raises:
        ValueError: neither a container nor an image is given, or both are.
    """
    return ContainerVantage(client, settings)


class ContainerVantage(OwnFarSide):
    """Runs plans through one probe process in a container."""

    def __init__(self, name: str, settings: ContainerSettings, *, patience: Patience | None = None) -> None:
        if (settings.container is None) is (settings.image is None):
            raise ValueError(f"vantage {settings.kind} takes a container that runs, or an image; one of the two")
        self._settings = settings
        own = drawn_name() if settings.image is not None else ""
        command = (str(settings.kind), "exec", "-i", settings.container or own)
        super().__init__(name, command, settings, own=own, patience=patience)

    def _start(self) -> None:
        settings = self._settings
        run = (
            *(str(settings.kind), "run", "--detach", "--rm", "--name", self._own, "--label", LABEL),
            *(("--network", settings.network) if settings.network else ()),
            *("--user", f"{NOBODY}:{NOBODY}", "--env", f"HOME={HOME}", "--workdir", HOME),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--entrypoint", settings.python, str(settings.image), "-c", KEEPS),
        )
        called(run, what=f"no container of {settings.image}", limit_s=START_S)

    def _runs(self) -> bool:
        with suppress(FarSideError):
            listed = called(
                (str(self._settings.kind), "ps", "--quiet", "--filter", f"name=^{self._own}$"), what="containers"
            )
            return bool(listed.strip())
        return False

    def _take_away(self) -> None:
        with suppress(FarSideError):
            called((str(self._settings.kind), "rm", "--force", self._own), what="containers")
