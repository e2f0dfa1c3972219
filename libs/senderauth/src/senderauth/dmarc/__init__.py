"""DMARC (RFC 9989): does whoever is authenticated speak for the domain that the reader sees?"""

from senderauth.dmarc.author import AuthorFault, author_domain
from senderauth.dmarc.discovery import Level, TreeWalker, Walk
from senderauth.dmarc.evaluate import DmarcResult, evaluate
from senderauth.dmarc.record import Alignment, DmarcRecord, Policy, PublicSuffix, ReportUri, parse_record

__all__ = [
    "Alignment",
    "AuthorFault",
    "DmarcRecord",
    "DmarcResult",
    "Level",
    "Policy",
    "PublicSuffix",
    "ReportUri",
    "TreeWalker",
    "Walk",
    "author_domain",
    "evaluate",
    "parse_record",
]
