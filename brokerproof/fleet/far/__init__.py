"""What runs in a client VPC's Lambda. It travels with the probe's bundle, and knows vantages and nothing above them."""
