"""An embedded chain, a seeded business day and the demo: nothing to install beside the set-up."""
