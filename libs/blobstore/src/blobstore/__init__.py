"""How bytes rest in S3: put, ranged get, checksum, key layout."""
