"""Alerts for people, in Slack. `message` says what, `client` how, `sink` when; Slack's library loads with the first."""

from sinks.slack.options import SlackOptions
from sinks.slack.sink import SlackSink

__all__ = ["SlackOptions", "SlackSink"]
