"""What `/metrics` serves beside the sinks' own metrics: about the relay, and about runs."""
