"""The chain, as a node sees it: the only package that knows JSON-RPC, ABI and transactions.

client.py        JSON-RPC over HTTP, one call or many at once
texts.py         what endpoints say → what it means
codec.py         calls, events and reverts by the committed ABI
profile.py       what is final, what gas costs, by engine
transactions.py  legacy transactions, signed once
follower.py      blocks and logs in order, rewinds, the cursor
deploy.py        contracts onto a fresh chain, and the check that they are ours
"""
