"""Who is speaking, to the generated types and back."""

from mailwire.spool.v1 import spool_pb2 as wire
from senderauth.result import Result

from spool.speaker import Handling, Signature, Speaker

RESULTS = {
    Result.NONE: wire.CHECK_RESULT_NONE,
    Result.NEUTRAL: wire.CHECK_RESULT_NEUTRAL,
    Result.PASS: wire.CHECK_RESULT_PASS,
    Result.FAIL: wire.CHECK_RESULT_FAIL,
    Result.SOFTFAIL: wire.CHECK_RESULT_SOFTFAIL,
    Result.TEMPERROR: wire.CHECK_RESULT_TEMPERROR,
    Result.PERMERROR: wire.CHECK_RESULT_PERMERROR,
}
RESULTS_BACK = {value: key for key, value in RESULTS.items()}
HANDLING = {Handling.USUAL: wire.HANDLING_UNSPECIFIED, Handling.QUARANTINE: wire.HANDLING_QUARANTINE}
HANDLING_BACK = {value: key for key, value in HANDLING.items()}


def _result(value: wire.CheckResult.ValueType) -> Result:
    """What a newer writer may mean by a value that is not known here speaks for nobody."""
    return RESULTS_BACK.get(value, Result.NONE)


def speaker_to_wire(speaker: Speaker) -> wire.Speaker:
    """The generated type; there is none where nothing was checked."""
    return wire.Speaker(
        spf=RESULTS[speaker.spf],
        spf_domain=speaker.spf_domain,
        spf_helo=RESULTS[speaker.spf_helo],
        iprev=RESULTS[speaker.iprev],
        client_name=speaker.client_name,
        signatures=[
            wire.Signature(result=RESULTS[each.result], domain=each.domain, selector=each.selector)
            for each in speaker.signatures
        ],
        arc=RESULTS[speaker.arc],
        arc_sealers=speaker.arc_sealers,
        dmarc=RESULTS[speaker.dmarc],
        author_domain=speaker.author_domain,
        dmarc_wish=speaker.dmarc_wish,
    )


def speaker_of(envelope: wire.Envelope) -> Speaker | None:
    """None where nothing was checked."""
    if not envelope.HasField("speaker"):
        return None
    found = envelope.speaker
    return Speaker(
        spf=_result(found.spf),
        spf_domain=found.spf_domain,
        spf_helo=_result(found.spf_helo),
        iprev=_result(found.iprev),
        client_name=found.client_name,
        signatures=tuple(
            Signature(_result(each.result), each.domain, each.selector) for each in found.signatures
        ),
        arc=_result(found.arc),
        arc_sealers=tuple(found.arc_sealers),
        dmarc=_result(found.dmarc),
        author_domain=found.author_domain,
        dmarc_wish=found.dmarc_wish,
    )
