"""The real parts that tests put together: a Valkey, the relay as a process, a proxy that harms connections."""

from tests.parts.relay_process import RelayProcess
from tests.parts.service_manager import ServiceManager
from tests.parts.tcp_proxy import TcpProxy
from tests.parts.traffic import Numbered
from tests.parts.valkey import Valkey
from tests.parts.waiting import eventually, free_port, until

__all__ = ["Numbered", "RelayProcess", "ServiceManager", "TcpProxy", "Valkey", "eventually", "free_port", "until"]
