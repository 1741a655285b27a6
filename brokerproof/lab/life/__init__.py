"""A lab's life: what it needs of the machine, its first process, and the handle its owner holds."""
