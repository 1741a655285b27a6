"""Reports in Debian's Chromium, driven by Playwright; what a page asked for or complained of fails its test.

``BROKERPROOF_CHROMIUM`` names another browser of the family, ``BROKERPROOF_SCREENSHOTS`` a directory for the pictures
(build/screenshots otherwise).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from brokerproof.reports.document import ResultDocument
from brokerproof.reports.html import render_html
from tests.browser import documents
from tools.provision.packages import browser

ROOT: Final = Path(__file__).parents[2]
WIDE, NARROW = 1280, 400
HEIGHT: Final = 900
KINDS: Final[dict[str, Callable[[], ResultDocument]]] = {
    "failing": documents.failing,
    "few": lambda: documents.failing(few=True),
    "passing": documents.passing,
    "marked": documents.marked,
    "large": lambda: documents.large(1_000),
}
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Of a module, not of the session: while Playwright is open, this thread has a running event loop.
    program = browser(os.environ)
    if program is None:
        missing = "there is no Chromium: tools/setup.sh --test installs it, BROKERPROOF_CHROMIUM names one"
        # Left out is not passed: where everything must have been set up, its absence is a failure.
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Chromium's own sandbox cannot be had by root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of a kind of run as a file, made once."""
    folder = tmp_path_factory.mktemp("reports")

    def write(kind: str) -> Path:
        path = folder / f"{kind}.html"
        if not path.exists():
            path.write_bytes(b"".join(render_html(KINDS[kind]())))
        return path

    return write


@pytest.fixture
def opened(chromium: Browser, written: Callable[[str], Path]) -> Iterator[Opener]:
    """Opens a kind of report; in the end nothing was asked for but the file, and nothing complained of."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    trouble: list[str] = []

    def open_report(kind: str, width: int = WIDE, *, dark: bool = False, script: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            offline=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        address = written(kind).as_uri()
        page.goto(address)
        assert asked.pop(0) == address
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert asked == []
    assert trouble == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = Path(os.environ.get("BROKERPROOF_SCREENSHOTS") or ROOT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
