"""A stand-in for TickStockPL (its API and its events), and for Slack and a webhook's receiver.

Written from the contract alone: nothing here may import the relay's own rooms, for a mistake shared by both
sides would agree with itself and no test would see it.
"""
