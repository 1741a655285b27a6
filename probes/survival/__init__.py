"""Clients that live through a change: started before it, asked afterwards what they noticed.

``python -m brokerproof.probes.survival`` takes a plan and says how it went once it is told to stop. ``values`` are the
plain types; the rest runs inside the client VPC.
"""
