"""A fleet end to end without an account, where ministack is installed: the lab's clients, each by its own function."""

from __future__ import annotations

import pytest

from tests.fleet.offline import of_lab, of_regions
from tests.fleet.offline.emulator import PYTHON

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not PYTHON.exists(), reason="ministack is not installed: `make fleet` installs it"),
]


@pytest.mark.parametrize("fault", ["", "endpoint-security-group-closed"])
def test_the_engine_and_a_local_run_say_the_same_of_the_labs_clients(fault: str) -> None:
    assert of_lab.main("privatelink_multi_nlb", fault) == 0


def test_a_run_over_the_hubs_of_two_regions_tells_every_client() -> None:
    assert of_regions.main() == 0
