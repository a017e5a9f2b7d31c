"""The vectors of the formats, which stand in the package as `vectors.json`."""
