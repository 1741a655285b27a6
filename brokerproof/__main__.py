"""``python -m brokerproof``."""

from brokerproof.cli import main

main()
