"""The name by which brokers know the probe, and their logs and quotas with them."""

from typing import Final

CLIENT_ID: Final = "brokerproof"
