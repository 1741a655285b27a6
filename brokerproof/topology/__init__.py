"""The declarative model of VPCs, paths, cluster and clients, its builders, and what to expect.

Nothing here does I/O but :mod:`brokerproof.topology.files` (YAML on disk).
"""
