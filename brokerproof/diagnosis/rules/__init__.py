"""One rule a cause, by layer. Pure."""
