"""Set-up of a checkout: Debian packages, ``.venv`` and Kafka's jars, each only where missing.

Standard library only, run by ``setup.sh`` on a bare Python. It is no part of the installed package.
"""
