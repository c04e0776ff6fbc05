"""Everything about a network: its card, its backends, what runs it here and why."""
