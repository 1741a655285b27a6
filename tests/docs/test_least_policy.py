"""docs/authentication.md has the least permissions that follow from what the probe asks."""

from __future__ import annotations

import pytest

from brokerproof.probes.outcome.permissions import GRANTS, Resource
from tools import least_policy


def test_the_page_is_current() -> None:
    text = least_policy.PAGE.read_text(encoding="utf-8")
    assert least_policy.page(text) == text, "make catalogue"


def test_the_policy_has_each_action_once_and_no_other() -> None:
    statements = least_policy.policy()["Statement"]
    assert isinstance(statements, list)
    actions = [action for each in statements for action in each["Action"]]
    needed = [GRANTS[each].iam_action for each in least_policy.least()]
    assert sorted(actions) == sorted(["kafka-cluster:Connect", *needed])
    assert not any("*" in action for action in actions)


def test_actions_of_groups_stand_on_a_group() -> None:
    """Published policies have them on a topic (provectus/kafka-ui-docs issues 6 and 12)."""
    statements = least_policy.policy()["Statement"]
    assert isinstance(statements, list)
    for each in statements:
        kind = each["Resource"].split(":")[5].split("/")[0]
        wanted = {"cluster": Resource.CLUSTER, "topic": Resource.TOPIC, "group": Resource.GROUP}[kind]
        own = {grant.iam_action for grant in GRANTS.values() if grant.resource is wanted}
        assert set(each["Action"]) - {"kafka-cluster:Connect"} <= own


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the mark"):
        least_policy.page("# How clients log in")
