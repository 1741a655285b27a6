"""What runs in a client VPC, travels with the probe's bundle, and knows vantages and nothing above them."""
