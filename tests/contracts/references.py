"""What each backend must compute, by an independent route.

A new row in the registry of backends fails ``test_every_backend_has_a_reference`` until it is
given one here; from then on it is held to every contract.
"""

from tests.strategies import reference

REFERENCES = {"feedforward": reference}
