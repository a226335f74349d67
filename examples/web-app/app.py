# ruff: noqa: INP001 - a script
"""A Flask-SocketIO app whose page shows a run of TickStockPL live, as the relay's sink `socketio` sends it.

What an app must have: `message_queue`, a `connect` handler on /admin, and in it a permission check.
"""

import os

MODE = os.environ.get("ASYNC_MODE", "threading")
if MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()
elif MODE == "eventlet":
    import eventlet

    eventlet.monkey_patch()

from flask import Flask, Response, request  # noqa: E402 - behind the patches
from flask_socketio import SocketIO  # noqa: E402

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
PORT = int(os.environ.get("PORT", "5000"))

app = Flask(__name__, static_url_path="")
# The default channel of the message queue, `flask-socketio`, is the sink's default too. Never let this become None when
# Redis is away at the start: such an app receives nothing until it is started again.
socketio = SocketIO(app, async_mode=MODE, message_queue=REDIS_URL)


def may_see_admin() -> bool:
    """Put your own check here: everyone who passes sees the runs, errors and alerts."""
    return request.remote_addr in {"127.0.0.1", "::1"}


@socketio.on("connect", namespace="/admin")
def connect() -> bool:
    """Without a handler here nobody can join /admin, and what is emitted there vanishes."""
    return may_see_admin()


@app.get("/")
def page() -> Response:
    """The page."""
    return app.send_static_file("page.html")


if __name__ == "__main__":
    socketio.run(app, host="127.0.0.1", port=PORT, **({"allow_unsafe_werkzeug": True} if MODE == "threading" else {}))
