"""The engine `yarn`: map tasks on the servers that hold their volumes, as a pydoop MapReduce job (decision 0070)."""
