"""A deterministic simulator: the real consumer, store and fold in a world that fails in every way it can.

    python -m tests.simulation --seeds 20000     # run that many histories
    python -m tests.simulation --seed 4711       # replay one

A history's seed decides everything: what happens, in which order, and which calls fail how.
"""
