"""Jobs over volumes: the contract of a job, the engines that run them, splits, runs and the locality report."""
