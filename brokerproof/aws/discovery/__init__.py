"""Reads accounts by boto3 into a topology. It shares no code with :mod:`brokerproof.aws.answers`."""
