"""What tests stand on: a whole platform, a DNS server, an SMTP sink, golden dialogues."""
