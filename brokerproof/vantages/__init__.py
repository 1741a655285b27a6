"""How a plan reaches a client VPC and its outcomes come back. A file a vantage."""
