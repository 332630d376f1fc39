"""Stackyard WMS: picks, stock and returns."""

__all__: list[str] = []
