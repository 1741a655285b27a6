"""The vantages ``docker`` and ``podman``: in a container that runs, or in one of its own in a network.

The program is the user's own, as it is set up here. What runs in the container is :mod:`brokerproof.vantages.exec`'s
business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from brokerproof.vantages.exec import ExecVantage, Patience, installs
from brokerproof.vantages.own_far_side import HOME, KEEPS, NOBODY, FarSideError, called, drawn_name

START_S: Final = 300.0
"""For an image to be pulled and its container to be started."""
LABEL: Final = "io.github.brokerproof=probe"


class ContainerSettings(Protocol):
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

    @property
    def python(self) -> str:
        """The interpreter there."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The probe's variables there."""
        ...

    @property
    def probe(self) -> str | None:
        """As of the vantage ``exec``."""
        ...

    @property
    def command(self) -> Sequence[str]:
        """Of the vantage ``exec`` alone."""
        ...

    @property
    def far_shell(self) -> bool | None:
        """Likewise."""
        ...


def open_vantage(client: str, settings: ContainerSettings) -> ContainerVantage:
    """The vantage of a client in a container.

    Raises:
        ValueError: neither a container nor an image is given, or both are.
    """
    return ContainerVantage(client, settings)


class ContainerVantage(ExecVantage):
    """Runs plans through one probe process in a container."""

    def __init__(self, name: str, settings: ContainerSettings, *, patience: Patience | None = None) -> None:
        if (settings.container is None) is (settings.image is None):
            raise ValueError(f"vantage {settings.kind} takes a container that runs, or an image; one of the two")
        self._settings = settings
        self._own = drawn_name() if settings.image is not None else ""
        self._made = False
        super().__init__(
            name,
            (str(settings.kind), "exec", "-i", settings.container or self._own),
            python=settings.python,
            environment=settings.environment,
            install=installs(settings),
            patience=patience,
        )

    def _prepare(self) -> None:
        if not self._own or (self._made and self._runs()):
            return
        self._made = True
        called(self._start(), what=f"no container of {self._settings.image}", limit_s=START_S)

    def _start(self) -> tuple[str, ...]:
        settings = self._settings
        return (
            *(str(settings.kind), "run", "--detach", "--rm", "--name", self._own, "--label", LABEL),
            *(("--network", settings.network) if settings.network else ()),
            *("--user", f"{NOBODY}:{NOBODY}", "--env", f"HOME={HOME}", "--workdir", HOME),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--entrypoint", settings.python, str(settings.image), "-c", KEEPS),
        )

    def _runs(self) -> bool:
        with suppress(FarSideError):
            listed = called(
                (str(self._settings.kind), "ps", "--quiet", "--filter", f"name=^{self._own}$"), what="containers"
            )
            return bool(listed.strip())
        return False

    def close(self) -> None:
        """End the probe, and take the container of its own away."""
        super().close()
        if self._made:
            self._made = False
            with suppress(FarSideError):
                called((str(self._settings.kind), "rm", "--force", self._own), what="containers")
