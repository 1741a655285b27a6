"""A fleet without an account: ministack's services, and functions in the lab's client VPCs.

Nothing here is in the wheel. What stands in for AWS is ministack, another project's; what stands in for Lambda is
AWS's own runtime client (awslambdaric), which is fed by :mod:`.executor` and has the very zip of the function.
"""
