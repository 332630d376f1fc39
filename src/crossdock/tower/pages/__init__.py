"""The pages, one module each or for a few that belong together, and what posts to them do."""
