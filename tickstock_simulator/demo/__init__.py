"""The demo: a trading afternoon in a minute, with every real part and stand-ins for TickStockPL, Slack and a web app.

`stage` brings the parts up and down, `story` plays the afternoon and knows what must come of it, `view` and `lines`
show it. Nothing in the relay may know of it.
"""
