"""From text to a checked tree: types as messages, operators as functions, errors in our words."""
