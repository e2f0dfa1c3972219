"""Who may speak for a domain. Pure: takes bytes, instants and a coroutine that answers DNS questions; gives values.

- `spf` (RFC 7208), `dkim` (RFC 6376, 8301, 8463), `dmarc` (RFC 9989, 7489), `arc` (RFC 8617)
- `authres`: Authentication-Results (RFC 8601); `iprev`: an address with a name that leads back (RFC 8601 §3)
- `srs`: reverse-paths that survive forwarding; `mtasts` (RFC 8461), `tlsa` (RFC 6698, 7671, 7672)
- `dns`: the one port, `result`: the one vocabulary
"""

from senderauth.dns import Answer, Answers, NoAnswer, RecordType, Resolve, TempError
from senderauth.result import Result

__all__ = ["Answer", "Answers", "NoAnswer", "RecordType", "Resolve", "Result", "TempError"]
