"""What `make` calls. Each script also runs by itself."""
