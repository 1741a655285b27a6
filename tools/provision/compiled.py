"""Compile what is installed beside the Python that runs this, with every core. Standard library only."""

from __future__ import annotations

import compileall
import sysconfig

if __name__ == "__main__":
    # What does not compile is a template, or for another Python; pip says nothing of it either.
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
