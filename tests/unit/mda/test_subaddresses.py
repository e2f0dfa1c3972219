"""user+folder: into the folder where the tenant wants that and it exists."""

from dataclasses import replace

import pytest
from directoryclient.policies import TenantPolicy
from mda.core.findings import Verdict
from mda.core.plan import detailed
from spool import EnvelopeRecipient

from tests.support.mda_world import Says, World, letter_of
from tests.support.viruses import clean

CLEAN = clean("clean")
WANTED = TenantPolicy(subaddress_folders=True)


@pytest.mark.parametrize(
    ("policy", "name", "where"),
    [
        (WANTED, "bob+Lists", "Lists"),
        (WANTED, "Bob+lists", "Lists"),
        (WANTED, "bob+Lists/python", "Lists/python"),
        (WANTED, "bob+nothing", "INBOX"),
        (WANTED, "bob+", "INBOX"),
        (WANTED, "bob", "INBOX"),
        (TenantPolicy(), "bob+Lists", "INBOX"),
    ],
)
async def test_where_a_subaddress_leads(policy: TenantPolicy, name: str, where: str) -> None:
    world = World()
    world.policy, world.folders = policy, ["Lists", "Lists/python"]
    world.send(CLEAN, accounts=(name,))
    await world.file()
    assert [each.mailbox_name for each in world.deliveries] == [where]


async def test_of_two_names_that_differ_in_case_the_exact_one_is_meant() -> None:
    world = World()
    world.policy, world.folders = WANTED, ["LISTS", "Lists", "lists"]
    world.send(CLEAN, accounts=("bob+lists",))
    await world.file()
    assert world.deliveries[0].mailbox_name == "lists"


async def test_junk_goes_where_junk_goes() -> None:
    world = World()
    world.policy, world.folders = WANTED, ["Lists"]
    world.send(CLEAN + b"buy!\r\n", accounts=("bob+Lists",))
    await world.file(Says(buy=Verdict.SPAM))
    assert world.deliveries[0].mailbox_name == "Junk"


def test_scripts_see_an_address_as_it_was_written_where_it_has_a_detail() -> None:
    recipients = (
        EnvelopeRecipient("bob@example.test", "Bob+News@example.test", "id-bob"),
        EnvelopeRecipient("eve@example.test", "EVE@example.test", "id-eve"),
        EnvelopeRecipient("ann@example.test", "sales+Offers@example.test", "id-ann"),
    )
    letter = letter_of(CLEAN)
    letter = replace(letter, envelope=replace(letter.envelope, recipients=recipients))
    assert detailed(letter) == {"id-bob": "Bob+News@example.test"}
