"""What the views must show, over rows and at a time that a test chooses."""
