"""The web app sees the run live: Socket.IO emits by way of the app's own message queue on Redis (docs/web-app.md)."""

from sinks.socketio.sink import SocketIoSink

__all__ = ["SocketIoSink"]
