"""Set-up, contract build and benchmarks of a checkout; no part of the installed package."""
