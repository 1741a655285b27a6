"""What is measured, from inside the client VPC: one module a stage.

This package travels alone to a client host. It may import dnspython, confluent-kafka, kio,
pyOpenSSL/cryptography, service-identity, hdrhistogram and msgspec, and nothing else of this project.
The plain types other rooms may use are in :mod:`brokerproof.probes.outcome` and :mod:`brokerproof.probes.plan`.
"""
