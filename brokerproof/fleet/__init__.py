"""Many clients, each in a VPC of its own, by an engine that exists: AWS Step Functions over one Lambda a client."""
