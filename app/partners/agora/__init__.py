"""AGORA, the national platform of training files (Caisse des Dépôts).

- ``port``: what the portal asks of AGORA and gets from it, in English, with no word of the wire format;
- ``mapping``: the wire format, both ways, pure;
- ``problems``: refusals, told in the portal's words;
- ``http``: the client, as the port and as the transport of the outbox, over ``channel``, one exchange and its limits;
- ``contract.yaml``: the interface; ``sandbox``: a server that implements it.

Nothing is imported here: the sandbox lives in this package and must not load the portal.
"""
