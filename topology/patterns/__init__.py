"""One builder a pattern."""
