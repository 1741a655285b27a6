"""Proves that a private network path to an MSK cluster works, measures it, and names the cause when it does not."""
