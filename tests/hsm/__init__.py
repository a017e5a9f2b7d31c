"""HSMs, and the keys in their tokens: on SoftHSM2."""
