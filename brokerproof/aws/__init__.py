"""What the AWS API says of an account: read into a topology, answered from one, and audited without a packet."""
