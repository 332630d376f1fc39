"""Partner systems to play against: separate HTTP services that share nothing with Crossdock.

Started as a process of their own, `python -m crossdock.sandbox`; the README beside this file is their manual.
"""

__all__: list[str] = []
