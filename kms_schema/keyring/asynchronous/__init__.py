"""The key ring for `asyncio`."""
