"""How a change reaches every worker: freshness, leases, the list of workers, acknowledgements."""
