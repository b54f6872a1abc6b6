"""Ways in besides the password: the second factor and the tokens of the programming interface.

``domain`` holds the rules, ``factor`` and ``tokens`` what the database is asked; the use cases are in ``accounts.services``.
"""
