"""Outcomes against a view: checks, then findings with cause, evidence and remedy. Pure."""
