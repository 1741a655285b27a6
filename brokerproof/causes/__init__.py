"""The closed catalogue of causes, and the sets of causes that clients cannot tell apart.

A leaf: lab, diagnosis and audit import it.
"""
