"""The local mail server: it accepts every message, delivers none, and shows them in a browser. Loopback only."""
