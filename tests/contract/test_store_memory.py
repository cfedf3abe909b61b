"""The store in memory keeps the contract."""

from __future__ import annotations

from hbimg.store.memory import MemoryStore
from hbimg.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    persistent = False

    def make_store(self):
        # One object per test: who holds it may open it again.
        if not hasattr(self, "memory"):
            self.memory = MemoryStore()
        return self.memory

    def raw_get(self, table_name, row, column):
        return self.memory._tables[table_name]._rows.get(row, {}).get(column)

    def raw_put(self, table_name, row, column, value):
        table = self.memory._tables[table_name]
        if row not in table._rows:
            table._keys.append(row)
            table._keys.sort()
        table._rows.setdefault(row, {})[column] = value
