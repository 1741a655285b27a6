"""The watch that runs for months: schedule, states, store and exports. Nothing here probes or judges."""
