"""Pytest scenarios, one file a pattern, and their fixtures."""
