"""Expected rows of the views, for rows and a time that a test chooses."""
