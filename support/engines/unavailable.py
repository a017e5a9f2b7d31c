"""The error if a requested engine is not available."""


class EngineUnavailableError(RuntimeError):
    """An engine cannot be had on this machine; the message says what would make it available."""
