"""Programs of one file that check proofs and archives without this package."""
