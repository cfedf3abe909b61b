"""Readers of image files, the decisions on what is stored, and the pipeline that stores it."""
