"""Propagation of changes to every worker: freshness, leases, the list of workers, acknowledgements."""
