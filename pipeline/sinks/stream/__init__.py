"""The drawn pictures as a live stream that another program plays."""
