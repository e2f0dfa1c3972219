"""How one string is held against another: comparators, match types, wildcards, regular expressions."""
