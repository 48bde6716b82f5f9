"""The evaluation of the readiness estimate on a log of real practice."""
