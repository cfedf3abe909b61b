"""The embedded store keeps the contract, seen from plain LMDB too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hbimg.store.local import LocalStore
from hbimg.testing.store_contract import StoreContract

# In a process of its own: LMDB must not have one environment open twice in a process.
_PLAIN_LMDB = """
import lmdb, sys
folder, family, key, *value = sys.argv[1:]
key, value = bytes.fromhex(key), [bytes.fromhex(v) for v in value]
with lmdb.open(folder, max_dbs=16, map_size=1 << 30) as environment:
    database = environment.open_db(family.encode(), create=False)
    with environment.begin(write=bool(value)) as txn:
        if value:
            txn.put(key, value[0], db=database)
        else:
            found = txn.get(key, db=database)
            print("absent" if found is None else found.hex())
"""


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "store"

    def make_store(self):
        return LocalStore(self.folder, wait_s=10)

    def _plain(self, table_name, row, column, *value):
        family, _, qualifier = column.partition(b":")
        arguments = [self.folder / table_name, family.decode(), (row + b"\0" + qualifier).hex(), *value]
        done = subprocess.run(
            [sys.executable, "-c", _PLAIN_LMDB, *map(str, arguments)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def raw_get(self, table_name, row, column):
        found = self._plain(table_name, row, column)
        return None if found == "absent" else bytes.fromhex(found)

    def raw_put(self, table_name, row, column, value):
        self._plain(table_name, row, column, value.hex())

    def raw_files(self, table_name):
        return b"".join(path.read_bytes() for path in sorted((self.folder / table_name).rglob("*")) if path.is_file())
