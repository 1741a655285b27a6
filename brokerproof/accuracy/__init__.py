"""How right the diagnosis is: faults put into the lab, diagnosed from its clients, and counted."""
