"""Crossdock: an operating layer for logistics."""
