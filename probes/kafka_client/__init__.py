"""The Kafka client (librdkafka) in a process of its own, so that what a peer sends it cannot end the probe."""
