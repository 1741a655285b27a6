"""``python -m brokerproof``."""

from brokerproof.cli.main import main

main()
