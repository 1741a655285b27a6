"""The programs a lab runs: Kafka brokers, unbound resolvers, proxies; their configuration and certificates."""
