"""What the configuration alone proves of each client's path to each broker, without a packet. Pure."""
