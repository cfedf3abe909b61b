"""Shipped with the package for tests: contract tests, synthetic volumes."""
