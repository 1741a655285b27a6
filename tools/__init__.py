"""Set-up of a checkout, and generators of committed pages and schemas. Not in the wheel."""
