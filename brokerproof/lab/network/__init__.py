"""Namespaces, links, routes, packet filters and resolvers' answers: a topology compiled for the kernel."""
