"""Patterns side by side: what is documented of each, what it costs, and the table of both for one topology."""
