"""Key versions that are handed to somebody else, wrapped to a public key of the receiver.

The page "handover" of the documentation describes them.
"""
