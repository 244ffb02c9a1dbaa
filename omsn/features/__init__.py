"""Frame features of sound and face."""
