"""A bug of ours that one message meets ends neither the process nor the others' mail: it is put aside after its tries."""

import pytest
from directoryclient.policies import TenantPolicy
from mailmodel import AccountRef
from mda.core.lists import MailingList
from mda.edge.filing import Filing

from tests.support.mda_world import Says, World

OTHER = "22222222-0000-0000-0000-000000000002"
CONTENT = b"Subject: hello\r\n\r\nhello\r\n"


class Faulty(World):
    async def of(self, tenant_id: str) -> TenantPolicy:
        if tenant_id == OTHER:
            raise RuntimeError("a bug")
        return await super().of(tenant_id)


async def test_while_it_is_planned_without_scanners() -> None:
    world = Faulty()
    bad, good = world.send(CONTENT, tenant_id=OTHER), world.send(CONTENT)
    await world.file()
    assert bad.outcome == ["again", "again", "acknowledged"]
    assert good.outcome == ["acknowledged"]
    assert world.put_aside_reasons == ["a bug"]


class NoLists:
    """As Distributing, as far as it gets."""

    async def among(self, accounts: list[AccountRef]) -> dict[str, MailingList]:
        raise RuntimeError("a bug")


@pytest.mark.parametrize("scanners", [(), (Says(),)])
async def test_while_it_is_looked_for_lists(
    monkeypatch: pytest.MonkeyPatch, scanners: tuple[Says, ...]
) -> None:
    world = World()
    item = world.send(CONTENT)
    started = Filing.run

    async def run(self: Filing) -> None:
        self._distributing = NoLists()  # type: ignore[assignment]
        await started(self)

    monkeypatch.setattr(Filing, "run", run)
    await world.file(*scanners)
    assert item.outcome == ["again", "again", "acknowledged"]
    assert world.put_aside_reasons == ["a bug"]
