"""A tape, played again from its opening in plain Python: what `ordercascade.audit` is made of.

Nothing here asks the engine. Every rule is written a second time, from SEMANTICS, and held against
what the tape says. `structure` comes first: it makes sure that no row points nowhere, so that all
rooms behind it may follow ids without a look.
"""
