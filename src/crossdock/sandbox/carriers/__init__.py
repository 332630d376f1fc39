"""Three carriers that have in common only what happens to parcels."""

__all__: list[str] = []
