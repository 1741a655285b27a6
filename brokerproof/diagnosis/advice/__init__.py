"""Advice: the path is right, and some clients fail on it. Never red, and never part of the answer."""
