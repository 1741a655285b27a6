"""How a plan reaches a client VPC and how its outcomes come back. One file a vantage."""
