"""Several names for one thing, and the one that the relay uses (wire notes, "Several names for one thing")."""

from relay.events import Severity

EVENT_NAMES = {
    "daily_processing_started": "processing_started",
    "daily_processing_progress": "processing_progress",
    "daily_processing_completed": "processing_completed",
    "daily_processing_failed": "processing_failed",
    "data_import_started": "import_started",
    "data_import_progress": "import_progress",
    "data_import_completed": "import_completed",
    "data_import_failed": "import_failed",
    "cache_sync_started": "cache_started",
    "cache_sync_progress": "cache_progress",
    "cache_sync_completed": "cache_completed",
    "indicator_processing_progress": "indicator_progress",
    "pattern_processing_progress": "pattern_progress",
}
"""Older name -> the contract's."""

STATUS_SEVERITIES = {
    "failed": Severity.ERROR,
    "error": Severity.ERROR,
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "partial": Severity.WARNING,
    "completed_with_errors": Severity.WARNING,
    "cancelled": Severity.WARNING,
    "canceled": Severity.WARNING,
}
"""What a status says about severity when the event states none."""
