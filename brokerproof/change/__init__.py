"""The watch around a change: survivors, facts before and after, and what is said of it. Nothing here probes."""
