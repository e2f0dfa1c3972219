"""What tenants and accounts choose, as the OpenAPI document shows it: the fields of policy.proto by the same names.

null, 0, false, an empty list: nothing is chosen, it is as the tenant or the installation has it.
"""

from typing import Annotated, Literal

from pydantic import Field

from admin_api.models import Address, Wire

DmarcLimit = Literal["default", "mark", "quarantine", "reject"]
Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
Octets = Annotated[int, Field(ge=0, le=2**63 - 1)]
Score = Annotated[float | None, Field(ge=-10_000, le=10_000)]
Senders = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=5_000)]


class TenantPolicy(Wire):
    """What a tenant chooses where it may choose."""

    dmarc: Annotated[
        DmarcLimit,
        Field(
            description="how far the wish of From's domain is followed for mail that fails DMARC: written down only; into "
            "Junk; or as asked. default: as the installation has it"
        ),
    ] = "default"
    hide_submitter_address: Annotated[
        bool, Field(description="Received does not say where a message was submitted from")
    ] = False
    greylisting: Annotated[bool, Field(description="unknown clients must come back")] = False
    max_account_messages_per_hour: Annotated[Count, Field(description="outgoing, of one account")] = 0
    max_account_messages_per_day: Count = 0
    max_account_recipients_per_hour: Count = 0
    max_account_recipients_per_day: Count = 0
    max_tenant_messages_per_hour: Annotated[
        Count, Field(description="outgoing, of all accounts together")
    ] = 0
    max_tenant_messages_per_day: Count = 0
    max_tenant_recipients_per_hour: Count = 0
    max_tenant_recipients_per_day: Count = 0
    junk_score: Annotated[
        Score, Field(description="filed as junk from here on; null: as the scanner says")
    ] = None
    quarantine_score: Annotated[Score, Field(description="kept in quarantine from here on")] = None
    refuse_score: Annotated[Score, Field(description="refused from here on")] = None
    allowed_senders: Annotated[
        Senders, Field(default_factory=list, description="addresses and @domains whose mail is never junk")
    ]
    blocked_senders: Annotated[
        Senders, Field(default_factory=list, description="addresses and @domains whose mail is always junk")
    ]
    scanner_down: Annotated[
        Literal["", "retry", "deliver_marked"],
        Field(description="what becomes of mail while a scanner is away"),
    ] = ""
    scan_before_accepting: Annotated[
        bool, Field(description="content is judged before the door says 250: refused instead of bounced")
    ] = False
    account_quota_octets: Annotated[
        Octets, Field(description="for each account that has no quota of its own")
    ] = 0
    account_quota_messages: Octets = 0
    tenant_quota_octets: Annotated[Octets, Field(description="for all accounts together")] = 0
    subaddress_folders: Annotated[
        bool, Field(description="mail for user+folder is filed into that mailbox where it exists")
    ] = False
    suppress_hard_bounces: Annotated[
        bool, Field(description="addresses that bounced for good are written to no more")
    ] = False
    text_search: Annotated[
        Literal["", "substring", "words"], Field(description="how IMAP's TEXT and BODY are searched")
    ] = ""
    over_quota: Annotated[
        Literal["", "retry", "refuse"],
        Field(
            description="what senders to a full mailbox hear at the door: 452 (also where nothing is chosen) or 552"
        ),
    ] = ""
    encrypt_bodies: Annotated[
        bool,
        Field(description="bodies are encrypted with keys of the tenant, from now on (POST .../keys/rotate)"),
    ] = False
    verp: Annotated[
        bool,
        Field(
            description="each remote recipient's copy has a reverse-path of its own (user+v-...@), by which what comes back is known"
        ),
    ] = False
    refuse_suppressed: Annotated[
        bool,
        Field(
            description="the submission door refuses (550 5.7.1) suppressed addresses; else mail to them fails with a notice"
        ),
    ] = False


class AccountSettings(Wire):
    """What an account chooses, or the operator for it."""

    quota_octets: Annotated[Octets, Field(description="0: as the tenant's policy says")] = 0
    quota_messages: Octets = 0
    mdn: Annotated[
        Literal["", "never", "ask", "always"],
        Field(
            description="return receipts (RFC 8098) that are asked for: always sent when a message is opened over IMAP; "
            "never, and no program asks; ask, or nothing: the reader's program asks"
        ),
    ] = ""
    encryption_key: Annotated[
        str,
        Field(
            max_length=65_536,
            description="an OpenPGP public key or an X.509 certificate, armoured: incoming mail is encrypted to it "
            "before it is stored",
        ),
    ] = ""
    locale: Annotated[str, Field(max_length=80, description="a language tag", examples=["en", "pt-BR"])] = ""
    pop_keep_days: Annotated[
        Count, Field(description="at QUIT POP3 removes what was read and is older; 0: nothing")
    ] = 0
    forward_to: Annotated[
        list[Address],
        Field(max_length=4, description="mail goes on to these addresses", default_factory=list),
    ]
    forward_without_copy: Annotated[bool, Field(description="what goes on to them is not kept here")] = False
    vacation: Annotated[bool, Field(description="senders are told vacation_text")] = False
    vacation_subject: Annotated[str, Field(max_length=200, description="nothing: one is made")] = ""
    vacation_text: Annotated[str, Field(max_length=10_000)] = ""
    vacation_from: Annotated[
        str,
        Field(max_length=40, description="an instant; nothing: now", examples=["2026-12-24T00:00:00+01:00"]),
    ] = ""
    vacation_until: Annotated[str, Field(max_length=40, description="an instant; nothing: no end")] = ""
    vacation_days: Annotated[
        Count, Field(le=90, description="one answer to a sender in so many days; 0: in 7")
    ] = 0
    vacation_addresses: Annotated[
        list[Address],
        Field(
            max_length=50,
            description="further addresses of the account: mail to them is answered too",
            default_factory=list,
        ),
    ]
