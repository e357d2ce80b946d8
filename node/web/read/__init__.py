"""What the desk reads: plain queries over kept counts, each returning frozen values.

Nothing here writes and nothing here counts rows that grow with the entries.
"""
