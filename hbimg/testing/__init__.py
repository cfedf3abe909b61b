"""What our tests and those of others build on: the contract test of a store. Only this room imports pytest.

`hbimg.testing.store_contract.StoreContract` proves what `hbimg.store.contract` promises; a new store is a subclass of
it away from being tested.
"""
