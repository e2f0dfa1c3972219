"""Who enters: ManageSieve clients."""
