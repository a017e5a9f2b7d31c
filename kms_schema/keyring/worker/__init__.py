"""The worker that rotates keys which are due, and destroys versions that nothing needs."""
