"""The result document and every rendering of it."""
