"""Incidents for people, in Slack.

`sink` takes events; `updates` brings an incident's message and thread up to its newest state; `render` says what stands
there, `memory` where; `client` speaks with Slack. Slack's library loads with the first message.
"""

from sinks.slack.options import SlackOptions
from sinks.slack.sink import SlackSink

__all__ = ["SlackOptions", "SlackSink"]
