"""SPF (RFC 7208): which addresses may use a domain in MAIL FROM and HELO."""

from senderauth.spf.check import SpfResult, check_helo, check_host, check_mail_from

__all__ = ["SpfResult", "check_helo", "check_host", "check_mail_from"]
