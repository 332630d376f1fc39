"""Crossdock: an open-source, self-hosted operating layer for logistics.

One direction, which `make test` holds:

    bytes arrive            gateway      verified, translated to canonical events
    their words, ours       translate    mappings, and rules of connectors in YAML; pure
    kept                    engine       one inbox; acknowledged after the commit
    decided                 process      a pure function: state, records, commands
    leaves                  engine       the outbox: leased, in lanes, at most one try at a time
    called                  connect      with an idempotency key; found out where in doubt; connectors say how
    comes back              engine       an outcome is an event like any other
    people decide           desk         each deed once, for every door: who may, and the audit of it
    seen and decided        tower, api   for eyes and for programs: read the history, act by putting events in

Who may do what, and who did it: access. Programs elsewhere speak to a server by its API: client.

Layers, low to high; each imports only those before it:
errors | legible, model, expressions, process, translate, store, access, engine, connect,
gateway | connectors, desk, api | tower | client, installed, assemble, site, demo, cli. The sandbox stands
apart: it imports nothing of ours.
"""
