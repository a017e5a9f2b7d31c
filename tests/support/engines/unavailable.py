"""What is raised when an engine that was asked for is not there."""


class EngineUnavailableError(RuntimeError):
    """An engine cannot be had on this machine; the message says what would make it available."""
