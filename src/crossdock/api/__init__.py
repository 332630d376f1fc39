"""For programs: REST, GraphQL. Reads the history; acts by putting events in."""

__all__: list[str] = []
