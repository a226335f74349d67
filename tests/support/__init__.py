"""The real parts that tests put together: a Valkey, the relay as a process, a proxy that harms connections."""

from tests.support.relay_process import RelayProcess
from tests.support.service_manager import ServiceManager
from tests.support.tcp_proxy import TcpProxy
from tests.support.traffic import Numbered
from tests.support.valkey import Valkey
from tests.support.waiting import eventually, free_port, until

__all__ = ["Numbered", "RelayProcess", "ServiceManager", "TcpProxy", "Valkey", "eventually", "free_port", "until"]
