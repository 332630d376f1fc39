"""How things are told: times in a zone, documents at a glance, history in sentences, states in words."""
