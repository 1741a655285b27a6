"""``brokerproof probe``: the probe as one file, and its removal from where it was put."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from brokerproof.cli.endings import COULD_NOT, Said, as_sentences
from brokerproof.cli.from_option import FROM_HELP, vantage_of
from brokerproof.vantages.bundle import FarPlatform, bundle_for, this_platform
from brokerproof.vantages.registry import forget


@click.group()
def probe() -> None:
    """Bundle the probe for a far side, or remove it there."""


@probe.command("bundle")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Also write it here.")
@click.option("--python", metavar="X.Y", help="Of the far side [default: this one's].")
@click.option("--machine", metavar="NAME", help="Of the far side, as in x86_64 or aarch64 [default: this one's].")
@click.option("--libc", type=click.Choice(["glibc", "musl"]), help="Of the far side [default: this one's].")
@as_sentences
def bundle(output: Path | None, python: str | None, machine: str | None, libc: str | None) -> None:
    """Make one file of the probe and its packages, and keep it for vantages that need it.

    For this machine's Python it is made of what is installed. For another, pip downloads wheels of the same versions.
    """
    here = this_platform()
    far = FarPlatform(python or here.python, machine or here.machine, libc or here.libc)
    made = bundle_for(far)
    if output is not None:
        try:
            shutil.copyfile(made.path, output)
        except OSError as error:
            raise Said(f"{output}: cannot be written: {error.strerror or error}", COULD_NOT) from None
    click.echo(f"probe for {far.words()}: {made.size / 1e6:.1f} MB, SHA-256 {made.sha256}")
    click.echo(f"kept at {made.path}")


@probe.command("remove")
@click.option("--from", "prefix", metavar="PLACE", required=True, help=f"There: {FROM_HELP}.")
@as_sentences
def remove(prefix: str) -> None:
    """Remove every probe that vantages put on a far side."""
    settings = vantage_of(prefix)
    click.echo(f"removed below {forget(settings.kind, 'here', settings)}")
