"""From a checked tree to a value: what Python gets itself, what the CEL runtime does."""
