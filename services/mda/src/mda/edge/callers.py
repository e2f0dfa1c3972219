"""Which services may call what here (`servicekit.identity.Guard`). What is not listed, nobody may."""

ALLOWED = {
    "mailwire.judge.v1.JudgeService": ("smtp-gateway",),
    "mailwire.mailbox.v1.MailboxAdminService": ("admin-api",),
    "mailwire.quarantine.v1.QuarantineAdminService": ("admin-api",),
    "mailwire.script.v1.ScriptAdminService": ("admin-api",),
}
