"""The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): whom a proxy speaks for, told before anything else."""

from mailproto.proxy.preface import Endpoint, Preface, PrefaceInvalid, PrefaceReader

__all__ = ["Endpoint", "Preface", "PrefaceInvalid", "PrefaceReader"]
