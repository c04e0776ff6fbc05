"""Live sources: what state each is in, and how it comes back after it was lost."""
