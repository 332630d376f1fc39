"""Northway ERP: orders, credit and finance documents."""

__all__: list[str] = []
