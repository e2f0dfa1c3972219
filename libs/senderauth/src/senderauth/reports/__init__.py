"""What receivers and senders of mail tell each other once a day: of TLS (RFC 8460), of DMARC (RFC 7489 Appendix C)."""

from senderauth.reports.envelope import ReportFault, unpacked

__all__ = ["ReportFault", "unpacked"]
