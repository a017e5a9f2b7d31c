"""Reads catalog attributes of both engines, in one shape."""
