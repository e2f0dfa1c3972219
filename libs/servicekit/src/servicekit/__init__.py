"""How a process of ours lives: settings, run, drain, logs, metrics, health, TCP, gRPC, TLS."""
