"""Oracles in the clothes of other libraries: a file for each, imported when it is asked for."""
