"""How we speak over NATS: subjects, streams, publish, consume."""
