"""The `streakline` command: run a stack, emit interactions, inspect what became of them."""
