"""What plans start from: the administration of a table's regions, its groups, and the servers of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hbimg.allocation.admin import LayoutAdmin
from hbimg.allocation.embedded import EmbeddedAdmin
from hbimg.allocation.groups import Groups
from hbimg.allocation.journal import Journal
from hbimg.allocation.layout import Server
from hbimg.allocation.state import GLOBAL, TableState
from hbimg.errors import StoreError
from hbimg.store import Store
from hbimg.store.hbase_address import HBaseAddress
from hbimg.store.simulated import PlacedTable
from hbimg.volumes import VolumeTable


@contextmanager
def layout_admin(store: Store, volumes: VolumeTable) -> Iterator[LayoutAdmin]:
    """Open the administration of a table's regions.

    Raises
    ------
    StoreError
        If the store has no regions that could be placed.
    """
    admin = _admin_of(store, volumes)
    try:
        yield admin
    finally:
        admin.close()


def _admin_of(store: Store, volumes: VolumeTable) -> LayoutAdmin:
    if isinstance(volumes.table, PlacedTable):
        return EmbeddedAdmin(volumes, volumes.table)
    if not store.url.startswith("hbase"):
        raise StoreError(f"{store.url} has no regions on servers: layouts are for HBase and for simulated servers")
    # Only here: the messages of HBase's RPC take a while to load.
    from hbimg.allocation.hbase import HBaseLayoutAdmin
    from hbimg.store.rpc.admin import open_admin

    namespace = HBaseAddress.parse(store.url).namespace
    return HBaseLayoutAdmin(open_admin(store.url), f"{namespace}:{volumes.name}" if namespace else volumes.name)


def groups_of_table(volumes: VolumeTable) -> Groups:
    """Read the groups of a table from its records: bytes as a job reads them."""
    return Groups.of_sizes(((record.key, record.bytes_to_read) for record in volumes.records()), volumes.scheme)


def servers_of_store(store: Store, state: TableState | None) -> tuple[Server, ...]:
    """Give the servers of a store: simulated ones with their slots, HBase's as if each had one core.

    Without a `state`, for a table that is still to be made, HBase is asked which are up.
    """
    if store.servers:
        return tuple(Server(server.name, server.slots) for server in store.servers)
    if state is not None:
        return tuple(Server(name, 1) for name in state.servers)
    if not store.url.startswith("hbase"):
        return ()
    from hbimg.store.rpc.admin import open_admin

    with open_admin(store.url) as admin:
        return tuple(Server(host, 1) for host in sorted({server.host for server in admin.servers()}))


def switched_off(store: Store, volumes: VolumeTable) -> list[str]:
    """Give the switches of the whole cluster that a table's plans have switched off, and that are off still."""
    standing = [entry for entry in Journal(volumes).entries() if entry.state != "rolled back"]
    mine = [name for name in GLOBAL if any(entry.switches.get(name) for entry in standing)]
    if not mine:
        return []
    with layout_admin(store, volumes) as admin:
        now = admin.state().switches
    return [name for name in mine if not now[name]]


def balancer_is_on(store: Store) -> bool:
    """Whether something moves regions by itself."""
    if not store.url.startswith("hbase"):
        return False
    from hbimg.store.rpc.admin import open_admin

    with open_admin(store.url) as admin:
        return admin.balancer_is_on()
