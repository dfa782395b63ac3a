"""The simulated source systems: a retail world, its feeds, and the two APIs that serve orders and customers."""
