"""A fleet by Run Command end to end without an account: the lab's clients, each on the instance that it is."""

from __future__ import annotations

import pytest

from tests.fleet.offline import of_ssm

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("fault", ["", "endpoint-security-group-closed"])
def test_run_command_and_a_local_run_say_the_same_of_the_labs_clients(fault: str) -> None:
    assert of_ssm.main("privatelink_multi_nlb", fault) == 0
