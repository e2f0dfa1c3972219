"""posthouse tenant policy, posthouse account settings: show, set."""

from posthouse.commands.choices import commands

app = commands("tenants", "policy", "a tenant", "demo")
settings = commands("accounts", "settings", "an account", "carol@example.org")
