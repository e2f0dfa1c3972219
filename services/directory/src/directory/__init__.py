"""Who is who: tenants, domains, accounts, aliases; passwords and recipients."""
