"""Torture: the whole product at work, broken on purpose, from a seed; then every account must balance.

    plan       what will be broken and when, drawn from the seed
    ground     PostgreSQL, the disk under it, and the processes of Crossdock
    line       a proxy between those and PostgreSQL, which cuts
    post       a relay for what partners send: twice, shuffled, days late
    house      the other side of a small chain process; it kills who calls
    work       what is put in: orders, returns, claims, chains, poison
    troubles   carries the plan out
    people     decide at the desk, as people would
    verdict    ledgers against database, run by run
    round      all of it, once

`python -m torture --minutes 10 --seed 7` from the folder `tests`, or `make torture`.
"""
