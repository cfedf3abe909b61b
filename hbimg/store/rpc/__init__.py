"""HBase's own RPC from Python: cells go straight between RegionServers and arrays, and tables are administered.

From the wire up: `login` and `wire` (one connection), `cellblock` (cells as they travel), `remote` (what servers'
errors mean), `cluster` (connections to all servers, calls tried again), `locations` (which server has which region),
`scanning` and `writing` (data), `procedures`, `regions` and `admin` (tables and regions). See docs/decisions/0050.
"""
