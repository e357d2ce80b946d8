"""Everything that is a pure function of data: parse, commit, match, classify, report.

No database, no chain, no clock. An auditor can run this package alone.
"""
