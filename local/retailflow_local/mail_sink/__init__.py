"""The local mail server: takes every message, delivers none, and shows them in a browser. Loopback only."""
