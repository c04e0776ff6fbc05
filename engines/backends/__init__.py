"""What runs a network: one file per runtime, all behind the contract in `base`."""
