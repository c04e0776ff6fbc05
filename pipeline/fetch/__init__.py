"""What has a public address: brought whole, or said where to ask for it."""
