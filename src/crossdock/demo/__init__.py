"""The main job, played: real orders through real processes against the sandbox, on a clock that leaps.

orders     what comes in: real orders with their real dates, as the sandbox takes them
director   moves the clock from one thing to the next, when nothing is left to do
stand_in   decides what no person has decided after a while, and is named as such
summary    what it came to, and whether the partners' ledgers agree
"""
