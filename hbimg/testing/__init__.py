"""Shipped for tests, ours and yours: contract tests, and makers of synthetic images."""
