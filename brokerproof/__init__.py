"""The command line, settings, and the wiring."""
