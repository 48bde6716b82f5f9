"""The `streakline` command: run a stack, emit interactions, inspect the results."""
