"""The performance model: the papers' equations, a simulator, figures, the fit to measurements, and advice.

Pure computation over frozen parameters: nothing here knows a store, an engine or the command line. Start from
`presets.preset` or `scenario_file.load`, then `predict.predict` (closed forms) or `simulate.simulate`.
"""
