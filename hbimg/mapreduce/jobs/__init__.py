"""The built-in jobs, one module each; `hbimg.mapreduce.registry` names them."""
