"""How a connection to an HBase server begins: the user it is for, in the clear or within TLS.

A login opens the socket and says the preamble. Kerberos would be another one: its code byte is 81, and SASL tokens
follow it.
"""

from __future__ import annotations

import getpass
import os
import socket
import ssl
from dataclasses import dataclass, field

from hbimg.errors import ConfigError
from hbimg.store.hbase_address import Server

_MAGIC = b"HBas"
_VERSION = 0
_SIMPLE = 80


def user_name() -> str:
    """Give the name that HBase gets to hear: ``$HADOOP_USER_NAME``, as Hadoop's own tools take it, or the system's."""
    return os.environ.get("HADOOP_USER_NAME") or getpass.getuser()


@dataclass(frozen=True, slots=True)
class SimpleLogin:
    """HBase's `SIMPLE` login: the server believes the user's name.

    Attributes
    ----------
    user : str
    tls : ssl.SSLContext or None
        With what the server has to prove who it is; None: in the clear.
    """

    user: str = field(default_factory=user_name)
    tls: ssl.SSLContext | None = None

    def open(self, server: Server, connect_s: float) -> socket.socket:
        """Connect and say the preamble.

        Raises
        ------
        OSError
            If nobody listens, or the other side's TLS is not as it must be (ssl.SSLError).
        """
        opened = socket.create_connection(server, timeout=connect_s)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                opened = self.tls.wrap_socket(opened, server_hostname=server.host)
            opened.sendall(_MAGIC + bytes((_VERSION, _SIMPLE)))
        except BaseException:
            opened.close()
            raise
        return opened


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Give a TLS context that trusts the authorities of a PEM file, or the system's.

    Raises
    ------
    ConfigError
        If the file cannot be read or has no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_ca={ca_file}: no certificates can be read there ({error}); give a PEM file") from error
