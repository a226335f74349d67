"""What is no message at all: bytes that the relay cannot read as a JSON object, and must not lose."""


def malformed() -> list[tuple[str, bytes, str]]:
    """`(channel, bytes, why)`: messages that the relay cannot read as a JSON object."""
    deep = b'{"event":"deep","payload":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}"
    return [
        ("tickstock:import:progress", b'{"event": "import_progress", "payload": {"run_id": ', "cut off in the middle"),
        ("tickstock:errors", b"{'event': 'error', 'payload': {}}", "a Python dict printed, not JSON"),
        ("tickstock:processing:status", b'"processing_started"', "a bare string"),
        ("tickstock:monitoring", b"42", "a bare number"),
        ("tickstock:cache:started", b"null", "null"),
        ("tickstock:cache:completed", b"true", "a bare boolean"),
        ("tickstock:patterns:detected", b'[{"event": "pattern_detected"}]', "a list"),
        ("tickstock:patterns:started", b"", "an empty message"),
        ("tickstock:indicators:started", b" \n\t ", "white space only"),
        ("tickstock:indicators:calculated", b'{"event": "caf\xe9\xff"}', "invalid UTF-8"),
        ("tickstock:streaming:health", b"\x00\x01\x02\x80\x04\x95", "binary, such as a pickle"),
        ("tickstock:import:started", b'{"event": "import_started"}{"event": "import_started"}', "two objects in one"),
        ("tickstock:import:completed", b'{"event": "import_completed",}', "a trailing comma"),
        ("tickstock:patterns:progress", b"tickstock is alive", "plain words"),
        ("tickstock:market:ticks", '{"symbol": "AAPL"}'.encode("utf-16"), "UTF-16"),
        ("tickstock:patterns:completed", deep, "nested 20,000 deep"),
    ]
