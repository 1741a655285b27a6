"""Sockets, DNS, TLS streams, Kafka frames, and what the kernel knows of a connection."""
