"""What the door found out about who is speaking, in rspamd's words. No I/O.

rspamd counts these symbols as if it had found them itself, with the weights and the composite rules that it is configured
with; its own checks of the same are left out, because they would ask again what was asked when the client was there.
"""

import json
from collections.abc import Iterable, Mapping

from senderauth.result import Result
from spool import Speaker

_SPF = {
    Result.PASS: "R_SPF_ALLOW",
    Result.FAIL: "R_SPF_FAIL",
    Result.SOFTFAIL: "R_SPF_SOFTFAIL",
    Result.NEUTRAL: "R_SPF_NEUTRAL",
    Result.NONE: "R_SPF_NA",
    Result.TEMPERROR: "R_SPF_DNSFAIL",
    Result.PERMERROR: "R_SPF_PERMFAIL",
}
# The first that a message has: beside a signature that holds, a broken one says nothing (RFC 6376 §6.1).
_DKIM = {
    Result.PASS: "R_DKIM_ALLOW",
    Result.TEMPERROR: "R_DKIM_TEMPFAIL",
    Result.FAIL: "R_DKIM_REJECT",
    Result.PERMERROR: "R_DKIM_PERMFAIL",
    Result.NEUTRAL: "R_DKIM_PERMFAIL",
}
_ARC = {
    Result.PASS: "ARC_ALLOW",
    Result.FAIL: "ARC_REJECT",
    Result.TEMPERROR: "ARC_DNSFAIL",
    Result.PERMERROR: "ARC_INVALID",
}
_DMARC = {
    Result.PASS: "DMARC_POLICY_ALLOW",
    Result.NONE: "DMARC_NA",
    Result.TEMPERROR: "DMARC_DNSFAIL",
    Result.PERMERROR: "DMARC_BAD_POLICY",
}
_DMARC_FAILS = {"reject": "DMARC_POLICY_REJECT", "quarantine": "DMARC_POLICY_QUARANTINE"}
# In the releases from 3.4 on; what a release does not have it does not mind.
_LEFT_OUT = ("SPF_CHECK", "DKIM_CHECK", "ARC_CHECK", "ARC_CALLBACK", "DMARC_CHECK", "DMARC_CALLBACK")
_MOST_DOMAINS = 10


def symbols(speaker: Speaker) -> Mapping[str, list[str]]:
    """Symbols with the domains that they are about."""
    found = {_SPF[speaker.spf]: [speaker.spf_domain]}
    results = {each.result for each in speaker.signatures}
    kind = next((each for each in _DKIM if each in results), None)
    if kind is None:
        found["R_DKIM_NA"] = []
    else:
        found[_DKIM[kind]] = _once(each.domain for each in speaker.signatures if each.result is kind)
    found[_ARC.get(speaker.arc, "ARC_NA")] = list(speaker.arc_sealers[-1:])
    if speaker.dmarc is Result.FAIL:
        found[_DMARC_FAILS.get(speaker.dmarc_wish, "DMARC_POLICY_SOFTFAIL")] = [speaker.author_domain]
    else:
        found[_DMARC.get(speaker.dmarc, "DMARC_NA")] = [speaker.author_domain]
    return found


def _once(domains: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(domains))[:_MOST_DOMAINS]


def vouched(speaker: Speaker) -> str:
    """The value of the field Settings of a question to rspamd: JSON in ASCII."""
    return json.dumps(
        {
            "symbols": {
                name: {"score": 1.0, "options": [each[:255] for each in about if each]}
                for name, about in symbols(speaker).items()
            },
            "symbols_disabled": _LEFT_OUT,
        },
        separators=(",", ":"),
    )
