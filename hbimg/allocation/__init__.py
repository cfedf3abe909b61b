"""Where every group of images lives: planned here, purely; applied, verified and rolled back by the executor.

`planner` chooses, `executor` acts through `admin`, and nothing in between knows which store it is.
"""
