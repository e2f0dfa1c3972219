"""Mail under way for a tenant that was removed meanwhile: it ends, and holds up nobody else's."""

from mda.core.findings import Verdict

from tests.support.mda_world import TENANT, Says, World

OTHER = "22222222-0000-0000-0000-000000000002"
CONTENT = b"Subject: hello\r\n\r\nhello\r\n"


async def test_it_is_put_aside_after_its_tries_and_others_are_filed_at_once() -> None:
    world = World()
    lost, kept = world.send(CONTENT, tenant_id=OTHER), world.send(CONTENT)
    world.gone.add(OTHER)
    await world.file()
    assert lost.outcome == ["again", "again", "acknowledged"]
    assert kept.outcome == ["acknowledged"]
    assert world.put_aside_reasons == [f"tenant {OTHER}: there is no such tenant"]
    assert [each.account.tenant_id for each in world.deliveries] == [TENANT]


async def test_so_is_what_would_be_held() -> None:
    world = World()
    lost = world.send(CONTENT + b"bad", tenant_id=OTHER)
    world.gone.add(OTHER)
    await world.file(Says(bad=Verdict.VIRUS))
    assert lost.outcome == ["again", "again", "acknowledged"]
    assert len(world.put_aside_reasons) == 1
    assert not world.held


async def test_while_the_keys_of_one_tenant_are_away_its_mail_waits_alone() -> None:
    world = World()
    waits, kept = world.send(CONTENT, tenant_id=OTHER), world.send(CONTENT)
    world.keyless.add(OTHER)

    def later() -> None:
        if len(waits.outcome) == 5:
            world.keyless.clear()

    world.between = later
    await world.file()
    # However often: that is no fault of the message.
    assert waits.outcome == ["again"] * 5 + ["acknowledged"]
    assert kept.outcome == ["acknowledged"]
    assert not world.put_aside_reasons
