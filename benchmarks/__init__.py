"""Benchmarks. Run each as `python -m benchmarks.NAME`, or all of them with `make bench`."""
