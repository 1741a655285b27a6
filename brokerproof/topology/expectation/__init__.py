"""What a client must see and what must not work, derived from a topology."""
