"""The ten lines that say what to discover: clusters, accounts and how to get in, and clients."""
