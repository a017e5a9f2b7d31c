"""How this repository is built: its layout, its imports, its tools."""
