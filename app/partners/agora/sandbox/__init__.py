"""A stand-in for AGORA: a separate process that implements ``contract.yaml`` whole, for demonstrations and for tests of what goes wrong.

It keeps its state on disk and imports nothing of the portal. How to use it: ``docs/agora-sandbox.md``.
"""
