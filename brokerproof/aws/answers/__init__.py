"""A topology answers the AWS API: what each read-only call would return for it, account by account.

For proof and for the lab. It shares no code with :mod:`brokerproof.aws.discovery`: what both get wrong alike, nobody
would see.
"""
