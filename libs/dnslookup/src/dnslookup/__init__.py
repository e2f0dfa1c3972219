"""How we ask DNS: MX and addresses, with a cache and deadlines."""
