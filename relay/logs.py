"""The relay's own log: for people on a terminal, JSON otherwise. Text from the wire cannot break a line of it."""

import logging
import sys

import structlog

from relay.config.settings import LogOptions


def set_up(options: LogOptions) -> None:
    """Configure structlog, and the libraries that log by `logging`, once at start."""
    level = logging.getLevelName(options.level.upper())
    console = options.format == "console" or (options.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    ending: list[structlog.types.Processor] = (
        # The pretty tracebacks show every local variable, and some of them are secrets.
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
