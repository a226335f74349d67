"""A master, a replica of it and a Sentinel that watches both: for failovers of the real kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.valkey import Valkey
from tests.support.waiting import until

NAME = "ticks"
_WATCHER = ("watch", "on", ">seen", "+@all", "allchannels")


@dataclass
class Failover:
    """Two servers and their Sentinel."""

    old: Valkey
    new: Valkey
    sentinel: Valkey

    @property
    def url(self) -> str:
        """What the relay is given."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{NAME}/0"

    def hide_old_master(self) -> None:
        """Out of the Sentinel's sight it lives on; returns when the other one has been promoted."""
        setuser(self.old, "default", "-ping", "-info", "-replicaof", "-slaveof", "-multi")  # its next login
        self.old.client.acl_deluser("watch")
        until(lambda: role(self.new) == "master", every=0.05, what="the promotion")
        until(lambda: self.master_port() == self.new.port, every=0.05, what="that Sentinel names the new master")

    def master_port(self) -> int:
        """What the Sentinel says."""
        found: Any = self.sentinel.client.sentinel_master(NAME)
        return int(found["port"])


def replica_of(port: int) -> tuple[str, ...]:
    """The options of a replica of the server there, which writes no file."""
    at_once = ("--repl-diskless-sync-delay", "0", "--repl-diskless-load", "flush-before-load")
    return ("--replicaof", f"127.0.0.1 {port}", *at_once)


def setuser(valkey: Valkey, *rules: str) -> None:
    """Make or change a user of Redis' access control."""
    valkey.client.execute_command("ACL", "SETUSER", *rules)  # type: ignore[no-untyped-call]


def role(valkey: Valkey) -> str:
    """`master` or `slave`."""
    return str(valkey.client.execute_command("ROLE")[0].decode())  # type: ignore[no-untyped-call]


def has_master(replica: Valkey) -> bool:
    """Whether a replica is connected to its master."""
    return bool(replica.client.info("replication").get("master_link_status") == "up")


@contextmanager
def failover(directory: Path) -> Iterator[Failover]:
    """All of it, ready."""
    with Valkey() as old, Valkey(*replica_of(old.port)) as new:
        for server in (old, new):
            setuser(server, *_WATCHER)
        until(lambda: has_master(new), every=0.05, what="replication")
        config = directory / "sentinel.conf"
        config.write_text(
            f"dir {directory}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {old.port} 1\n"
            f"sentinel auth-user {NAME} watch\nsentinel auth-pass {NAME} seen\n"
            f"sentinel down-after-milliseconds {NAME} 300\nsentinel failover-timeout {NAME} 2000\n"
        )
        with Valkey(str(config), sentinel=True) as sentinel:
            both = Failover(old, new, sentinel)
            until(lambda: sentinel.client.sentinel_slaves(NAME), every=0.05, what="that the replica is known")
            yield both
