"""Many clients on the same mailboxes at once, each with a model of what it may see.

`test_stress.py` runs a fixed number of operations; `python -m tests.e2e.stress` (`make soak`) runs for a time and
watches the memory of every process. SEED=... repeats each client's choices (not the moment at which they meet).
"""
