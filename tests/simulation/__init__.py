"""A deterministic simulator: the real consumer, store and fold with every fault that the services can cause.

    python -m tests.simulation --seeds 20000     # run this many histories
    python -m tests.simulation --seed 4711       # replay one

A history's seed decides everything: its interactions, the order of events, and which calls meet which faults.
"""
