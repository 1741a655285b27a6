"""The HTML report by axe-core's rules: light and dark, narrow and wide, folded and open.

A file of its own, since these rules take the most time of all that a browser does here.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import NARROW, WIDE, Opener

pytestmark = pytest.mark.browser


def rules(page: Page, *only: str) -> list[str]:
    """Rules of axe-core that the page breaks, with the first place of each; all of them where none is named.

    axe-core is put into the page by the browser's debugger, which the page's own policy does not bind.
    """
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = list(only)
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize(("kind", "width"), [("few", NARROW), ("passing", WIDE), ("large", WIDE), ("marked", WIDE)])
def test_no_rule_of_accessibility_is_broken(opened: Opener, kind: str, width: int) -> None:
    assert rules(opened(kind, width)) == []


def test_no_rule_of_accessibility_is_broken_in_what_is_folded(opened: Opener) -> None:
    page = opened("few")
    page.get_by_role("button", name="Open all detail").click()
    assert rules(page) == []


@pytest.mark.parametrize("kind", ["few", "passing", "large", "marked"])
def test_dark_has_contrast(opened: Opener, kind: str) -> None:
    assert rules(opened(kind, dark=True), "color-contrast") == []
