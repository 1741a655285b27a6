"""Builds a topology on this machine from network namespaces, resolvers and real Kafka brokers."""
