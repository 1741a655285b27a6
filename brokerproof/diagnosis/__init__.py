"""Outcomes against a view: checks, and later findings with cause, evidence and remedy. Pure."""
