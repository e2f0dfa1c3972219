"""The REST door, from outside: every noun through its whole life, every refusal with its sentence."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import PASSWORD, TOKEN, Process, Stage


def problem(answer: httpx.Response, status: int) -> str:
    """The sentence of a problem document (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert document["title"]
    assert answer.headers["x-request-id"]
    return str(document["detail"])


def lifes(tenant: str) -> dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """For each noun: what it is called, what creates it, the method that changes it, a change."""
    domain = f"{tenant}.example"
    alice, team = f"alice@{domain}", f"team@{domain}"
    return {
        "tenants": (
            f"{tenant}-b",
            {"name": f"{tenant}-b", "display_name": "B"},
            "PATCH",
            {"suspended": True},
        ),
        "domains": (f"b.{domain}", {"name": f"B.{domain}.", "tenant": tenant}, "PATCH", {"suspended": True}),
        "accounts": (
            alice,
            {"address": alice.upper(), "password": PASSWORD, "display_name": "Zoë <z> \U0001f40e"},
            "PATCH",
            {"display_name": "Alice", "password": "another password", "suspended": True},
        ),
        "aliases": (
            team,
            {"address": team, "targets": [alice.upper(), "far@elsewhere.example", alice]},
            "PUT",
            {"targets": ["far@elsewhere.example"]},
        ),
    }


@pytest.mark.parametrize("kind", ["tenants", "domains", "accounts", "aliases"])
def test_a_whole_life(stage: Stage, tenant: str, kind: str) -> None:
    name, new, method, change = lifes(tenant)[kind]
    path = f"/v1/{kind}/{name}"
    assert name in problem(stage.call("GET", path), 404)
    created = stage.call("POST", f"/v1/{kind}", new)
    assert created.status_code == 201
    made = created.json()
    assert made["address" if "address" in made else "name"] == name
    assert made["tenant_id"]
    assert "password" not in created.text
    assert stage.call("GET", path).json() == made
    assert "already" in problem(stage.call("POST", f"/v1/{kind}", new), 409)
    changed = stage.call(method, path, change)
    assert changed.status_code == 200
    expected = {**made, **{key: value for key, value in change.items() if key != "password"}}
    if kind == "accounts":
        expected["suspended_by_operator"] = True
    assert changed.json() == expected == stage.call("GET", path).json()
    query = {} if kind == "tenants" else {"tenant": tenant}
    assert expected in stage.call("GET", f"/v1/{kind}", size=1000, **query).json()["items"]
    deleted = stage.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for call in (("GET", path), ("DELETE", path), (method, path, change)):
        assert name in problem(stage.call(*call), 404)


def test_an_alias_keeps_the_order_of_its_targets_and_each_once(stage: Stage, tenant: str) -> None:
    _, new, _, _ = lifes(tenant)["aliases"]
    made = stage.call("POST", "/v1/aliases", new).json()
    assert made["targets"] == [f"alice@{tenant}.example", "far@elsewhere.example"]


def test_an_account_is_found_by_id_and_whatever_stands_before_the_at(stage: Stage, tenant: str) -> None:
    for local_part in ("a/b", "a?b", "a#b", "%2f", "a&b=c", "a+b", "'--", "../x"):
        address = f"{local_part}@{tenant}.example"
        new = {"address": address, "password": PASSWORD}
        if local_part == "../x":
            problem(stage.call("POST", "/v1/accounts", new), 422)
            continue
        made = stage.call("POST", "/v1/accounts", new).json()
        path = "/v1/accounts/" + "".join(f"%{octet:02x}" for octet in address.encode())
        assert made["address"] == address
        assert stage.call("GET", path).json() == made
        assert stage.call("GET", f"/v1/accounts/{made['account_id']}").json() == made
        assert stage.call("DELETE", path).status_code == 204


def test_lists_come_in_pages(stage: Stage, tenant: str) -> None:
    domain = f"{tenant}.example"
    for number in range(5):
        new = {"address": f"a{number}@{domain}", "password": PASSWORD}
        assert stage.call("POST", "/v1/accounts", new).status_code == 201
    found, page = [], ""
    while True:
        answer = stage.call("GET", "/v1/accounts", domain=domain, size=2, page=page).json()
        found += [each["address"] for each in answer["items"]]
        if not (page := answer["next_page"]):
            break
    assert found == [f"a{number}@{domain}" for number in range(5)]
    assert stage.call("GET", "/v1/accounts", tenant=tenant).json()["next_page"] == ""
    for query in ({"size": 0}, {"size": 1001}, {"size": "many"}, {"page": "x" * 401}):
        assert problem(stage.call("GET", "/v1/accounts", **query), 422).startswith(next(iter(query)))
    assert "nobody" in problem(stage.call("GET", "/v1/accounts", tenant="nobody"), 404)


# -- the token

PATHS = ("/v1/tenants", "/v1/accounts/alice@a.example", "/v1/health", "/v1/nothing", "/v1/", "/v1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-Token": TOKEN},
    ],
)
def test_without_the_token_nothing_is_told(stage: Stage, headers: dict[str, Any]) -> None:
    with httpx.Client(base_url=stage.url, headers=headers, trust_env=False) as stranger:
        for path in PATHS:
            for method in ("GET", "POST", "DELETE", "PATCH", "PUT", "OPTIONS"):
                answer = stranger.request(method, path, content=b"{not json" if method == "POST" else None)
                assert "token" in problem(answer, 401)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert TOKEN not in answer.text


@pytest.mark.parametrize("host", ["x/docs?", "x/docs#", "a@b/docs?", "x\\docs", "[::1", ""])
def test_the_host_header_opens_nothing(stage: Stage, host: str) -> None:
    with httpx.Client(base_url=stage.url, headers={"Host": host}, trust_env=False) as stranger:
        for path in (
            "/v1/tenants",
            "/v1/health",
            "//v1/tenants",
            "/./v1/tenants",
            "/V1/tenants",
            "/docs/../v1/tenants",
        ):
            answer = stranger.get(path)
            assert answer.status_code in (400, 401, 404), path
            assert "items" not in answer.text


def test_every_operation_of_the_document_is_behind_the_token(stage: Stage) -> None:
    document = stage.call("GET", "/openapi.json").json()
    assert len(document["paths"]) >= 9
    with httpx.Client(base_url=stage.url, trust_env=False) as stranger:
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation["security"], path
                problem(stranger.request(method, re.sub(r"\{.*?\}", "x", path)), 401)


def test_the_scheme_is_written_as_one_likes(stage: Stage) -> None:
    with httpx.Client(base_url=stage.url, trust_env=False) as client:
        answer = client.get("/v1/health", headers={"Authorization": f"bearer {TOKEN}"})
        assert answer.json() == {"status": "ready", "unwell": {}}


# -- what is refused

CONTROLS = ["\r\nBcc: x@y.example", "\n", "\0", "\x1b[2J", "\u202e"]


@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused_wherever_they_stand(stage: Stage, tenant: str, control: str) -> None:
    domain = f"{tenant}.example"
    alice = {"address": f"alice@{domain}", "password": PASSWORD}
    assert stage.call("POST", "/v1/accounts", alice).status_code == 201
    bad = f"x{control}"
    for method, path, body in (
        ("POST", "/v1/tenants", {"name": bad}),
        ("POST", "/v1/tenants", {"name": f"{tenant}-c", "display_name": bad}),
        ("PATCH", f"/v1/tenants/{tenant}", {"display_name": bad}),
        ("POST", "/v1/domains", {"name": f"{bad}.example", "tenant": tenant}),
        ("POST", "/v1/domains", {"name": f"x.{domain}{control}", "tenant": tenant}),
        ("POST", "/v1/domains", {"name": f"x.{domain}", "tenant": bad}),
        ("POST", "/v1/accounts", {"address": f"{bad}@{domain}", "password": PASSWORD}),
        ("POST", "/v1/accounts", {"address": f"x@{domain}{control}", "password": PASSWORD}),
        ("POST", "/v1/accounts", {"address": f"x@{domain}", "password": PASSWORD, "display_name": bad}),
        ("PATCH", f"/v1/accounts/alice@{domain}", {"display_name": bad}),
        ("POST", "/v1/aliases", {"address": f"{bad}@{domain}", "targets": ["a@b.example"]}),
        (
            "POST",
            "/v1/aliases",
            {"address": f"x@{domain}", "targets": ["a@b.example", f"a@b.example{control}"]},
        ),
    ):
        sentence = problem(stage.call(method, path, body), 422)
        assert "control character" in sentence
        assert control not in sentence
    for kind in ("tenants", "domains", "accounts", "aliases"):
        assert "control character" in problem(stage.client.get(f"/v1/{kind}/x{_escaped(control)}"), 422)
    # Not taken for the account whose name comes before the line break.
    answer = stage.client.delete(f"/v1/accounts/alice@{domain}{_escaped(control)}")
    assert "control character" in problem(answer, 422)
    assert "control character" in problem(stage.call("GET", "/v1/accounts", page=f"a{control}@b"), 422)
    assert stage.call("GET", f"/v1/accounts/alice@{domain}").json()["display_name"] == ""


def _escaped(text: str) -> str:
    return "".join(f"%{octet:02x}" for octet in text.encode())


@pytest.mark.parametrize(
    ("kind", "new", "sentence"),
    [
        ("tenants", {"name": ""}, "a tenant's name has 1 to 63"),
        ("tenants", {"name": "-a"}, "a tenant's name has 1 to 63"),
        ("tenants", {"name": "Ümlaut"}, "a tenant's name has 1 to 63"),
        ("tenants", {"name": "../x"}, "a tenant's name has 1 to 63"),
        ("tenants", {"name": "x" * 64}, "name: "),
        ("tenants", {"name": "6f9619ff-8b86-4011-b42d-00cf4fc964ff"}, "cannot look like a tenant's id"),
        ("tenants", {}, "name: Field required"),
        ("tenants", {"name": "x", "nmae": "y"}, "nmae: "),
        ("tenants", {"name": 7}, "name: "),
        ("tenants", {"name": "x", "display_name": "\ud800"}, ""),
        ("domains", {"name": "localhost"}, "not a domain with at least two labels"),
        ("domains", {"name": "a_b.example"}, "not a domain with at least two labels"),
        ("domains", {"name": "a..example"}, "not a domain with at least two labels"),
        ("domains", {"name": "-a.example"}, "not a domain with at least two labels"),
        ("domains", {"name": "127.0.0.1"}, "its last label is a number"),
        ("domains", {"name": "x" * 64 + ".example"}, "not a domain with at least two labels"),
        ("domains", {"name": "xn--zzzz.example"}, "not a domain: "),
        ("domains", {"name": "\u2488com.example"}, "not a domain"),
        ("accounts", {"address": "alice"}, "it has no @"),
        ("accounts", {"address": "@{}"}, "cannot stand before the @"),
        ("accounts", {"address": "a b@{}"}, "cannot stand before the @"),
        ("accounts", {"address": "<alice@{}>"}, "cannot stand before the @"),
        ("accounts", {"address": "a@b@{}"}, "cannot stand before the @"),
        ("accounts", {"address": "x" * 65 + "@{}"}, "cannot stand before the @"),
        # Cyrillic а: looks like alice and is not.
        ("accounts", {"address": "\u0430lice@{}"}, "cannot stand before the @"),
        ("accounts", {"address": "a@{}", "password": "short"}, "at least 8 characters"),
        ("accounts", {"address": "a@{}", "password": "ä" * 513}, "at most 1024 octets"),
        ("accounts", {"address": "a@{}", "password": "line\nbreak"}, "no line break"),
        ("accounts", {"address": "a@{}", "password": None}, "password: "),
        ("aliases", {"address": "x@{}", "targets": []}, "targets: "),
        ("aliases", {"address": "x@{}", "targets": ["nowhere"]}, "it has no @"),
        ("aliases", {"address": "x@{}", "targets": ["a@b.example"] * 101}, "targets: "),
        ("aliases", {"address": "x@{}", "targets": "a@b.example"}, "targets: "),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    stage: Stage, tenant: str, kind: str, new: dict[str, Any], sentence: str
) -> None:
    filled = {
        key: value.replace("{}", f"{tenant}.example") if isinstance(value, str) else value
        for key, value in new.items()
    }
    if kind == "domains":
        filled.setdefault("tenant", tenant)
    if kind == "accounts":
        filled.setdefault("password", PASSWORD)
    answer = stage.client.post(
        f"/v1/{kind}", content=_json(filled), headers={"Content-Type": "application/json"}
    )
    said = problem(answer, 422)
    assert sentence in said
    if isinstance(filled.get("password"), str):
        assert filled["password"] not in said


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_homographs_have_one_form(stage: Stage, tenant: str) -> None:
    """What looks the same by Unicode's own mapping is the same name; the second is in use already."""
    new = {"name": f"bücher.{tenant}.example", "tenant": tenant}
    assert stage.call("POST", "/v1/domains", new).json()["name"] == f"xn--bcher-kva.{tenant}.example"
    for twin in ("BÜCHER", "bu\u0308cher", "ｂüｃｈｅｒ", "xn--BCHER-kva", "bü\u00adcher"):
        for dot in (".", "。"):
            body = {"name": f"{twin}{dot}{tenant}.example", "tenant": tenant}
            assert "in use already" in problem(stage.call("POST", "/v1/domains", body), 409)
    account = {"address": f"karl@{tenant}.example", "password": PASSWORD}
    assert stage.call("POST", "/v1/accounts", account).status_code == 201
    # The Kelvin sign.
    account["address"] = f"\u212aarl@{tenant}.example"
    assert "in use already" in problem(stage.call("POST", "/v1/accounts", account), 409)


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"{not json", 422, "the body is not JSON"),
        (b"", 422, ""),
        (b"[]", 422, ""),
        (b'{"name": "\xff"}', 400, "cannot be read"),
        (b"[" * 60_000, 400, "cannot be read"),
        (b'{"name": "' + b"x" * 70_000 + b'"}', 413, "at most 65536 octets"),
    ],
)
def test_bodies_that_are_none(stage: Stage, content: bytes, status: int, sentence: str) -> None:
    answer = stage.client.post("/v1/tenants", content=content, headers={"Content-Type": "application/json"})
    assert sentence in problem(answer, status)


def test_requests_that_are_none(stage: Stage) -> None:
    assert "Content-Length" in problem(stage.client.post("/v1/tenants", content=iter([b"{}"])), 411)
    assert "/docs" in problem(stage.call("GET", "/v1/nothing"), 404)
    assert "/docs" in problem(stage.call("PUT", "/v1/tenants", {}), 405)
    assert "/docs" in problem(stage.call("GET", "/elsewhere"), 404)
    answer = stage.client.get("/v1/tenants", headers={"X-Request-Id": "abc123"})
    assert answer.headers["x-request-id"] == "abc123"
    answer = stage.client.get("/v1/tenants", headers={"X-Request-Id": "abc 123"})
    assert answer.headers["x-request-id"] != "abc 123"


# -- tenants and what they hold


def test_a_domain_and_its_addresses_are_one_tenants(stage: Stage, tenant: str) -> None:
    other, domain = f"{tenant}-other", f"{tenant}.example"
    assert stage.call("POST", "/v1/tenants", {"name": other}).status_code == 201
    for name in (domain, domain.upper(), f"{domain}."):
        refused = stage.call("POST", "/v1/domains", {"name": name, "tenant": other})
        # Whose it is, is not told.
        assert problem(refused, 409) == f"the domain {domain} is in use already"
    made = stage.call("POST", "/v1/accounts", {"address": f"alice@{domain}", "password": PASSWORD}).json()
    assert made["tenant"] == tenant
    assert stage.call("GET", "/v1/accounts", tenant=other).json()["items"] == []
    assert stage.call("GET", "/v1/accounts", tenant=other, domain=domain).json()["items"] == []
    assert "tenant: " in problem(
        stage.call("POST", "/v1/accounts", {"address": f"b@{domain}", "password": PASSWORD, "tenant": other}),
        422,
    )
    problem(stage.call("PATCH", f"/v1/domains/{domain}", {"tenant": other}), 422)


def test_nothing_is_deleted_while_it_holds_something(stage: Stage, tenant: str) -> None:
    domain = f"{tenant}.example"
    alice, team = f"alice@{domain}", f"team@{domain}"
    stage.call("POST", "/v1/accounts", {"address": alice, "password": PASSWORD})
    stage.call("POST", "/v1/aliases", {"address": team, "targets": [alice]})
    assert "still has domains" in problem(stage.call("DELETE", f"/v1/tenants/{tenant}"), 409)
    assert "still has accounts" in problem(stage.call("DELETE", f"/v1/domains/{domain}"), 409)
    assert stage.call("DELETE", f"/v1/accounts/{alice}").status_code == 204
    # An alias outlives its targets; its mail is refused until it has others.
    assert stage.call("GET", f"/v1/aliases/{team}").json()["targets"] == [alice]
    assert "still has accounts or aliases" in problem(stage.call("DELETE", f"/v1/domains/{domain}"), 409)
    assert stage.call("DELETE", f"/v1/aliases/{team}").status_code == 204
    assert stage.call("DELETE", f"/v1/domains/{domain}").status_code == 204
    assert stage.call("DELETE", f"/v1/tenants/{tenant}").status_code == 204
    # What is free can be another's.
    other = f"{tenant}-next"
    stage.call("POST", "/v1/tenants", {"name": other})
    assert stage.call("POST", "/v1/domains", {"name": domain, "tenant": other}).json()["tenant"] == other


# -- the pages


def test_the_documentation_needs_no_internet(stage: Stage) -> None:
    with httpx.Client(base_url=stage.url, trust_env=False, follow_redirects=True) as visitor:
        page = visitor.get("/")
        assert page.url.path == "/docs"
        assert page.headers["content-type"].startswith("text/html")
        links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
        assert len(links) >= 3
        assert not re.search(r"""["'(]\s*(https?:)?//""", page.text)
        for link in links:
            asset = visitor.get(link)
            assert asset.status_code == 200, link
            assert len(asset.content) > 500
            if link.endswith("bundle.js"):
                # Older ones show an error in place of a document of OpenAPI 3.1.
                assert b"isOAS31" in asset.content
        document = visitor.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Posthouse admin API"
    assert {"/v1/tenants", "/v1/domains", "/v1/accounts", "/v1/aliases"} <= set(document["paths"])
    assert "401" in document["paths"]["/v1/tenants"]["get"]["responses"]


def test_the_pages_lead_nowhere_else(stage: Stage) -> None:
    for path in (
        "/docs/assets/../../settings.py",
        "/docs/assets/%2e%2e/%2e%2e/settings.py",
        "/docs/assets//etc/passwd",
    ):
        assert stage.client.get(path).status_code == 404


# -- when the directory is away


def test_503_while_the_directory_is_away_and_then_as_before(stage: Stage, tenant: str) -> None:
    new = {"address": f"alice@{tenant}.example", "password": PASSWORD}
    stage.directory.kill()
    try:
        for method, path, body in (
            ("GET", "/v1/tenants", None),
            ("POST", "/v1/accounts", new),
            ("DELETE", f"/v1/tenants/{tenant}", None),
        ):
            answer = stage.call(method, path, body)
            assert "try again later" in problem(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        health = stage.call("GET", "/v1/health").json()
        assert health["status"] == "unready"
        assert set(health["unwell"]) == {"directory"}
        # What needs no directory goes on.
        assert stage.client.get("/docs").status_code == 200
        assert stage.client.get("/v1/tenants", headers={"Authorization": "Bearer wrong"}).status_code == 401
    finally:
        stage.directory.start()
        stage.until(stage.is_ready)
    assert stage.call("POST", "/v1/accounts", new).status_code == 201
    assert stage.call("GET", f"/v1/tenants/{tenant}").status_code == 200


def test_no_secret_is_in_the_logs(stage: Stage, tenant: str) -> None:
    secret = "a-secret-password-that-nobody-logs"
    for address in (f"alice@{tenant}.example", f"alice@{tenant}.example", "alice@nowhere.example", "a b"):
        stage.call("POST", "/v1/accounts", {"address": address, "password": secret})
    stage.call("PATCH", f"/v1/accounts/alice@{tenant}.example", {"password": secret + "\n"})
    stage.client.post("/v1/accounts", content=b'{"password": "%s' % secret.encode())
    for log in (stage.directory.log(), stage.admin.log()):
        assert secret not in log
        assert TOKEN not in log
        assert "Traceback" not in log


def test_it_does_not_start_with_a_token_that_could_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    weak = Process(
        "admin_api", tmp_path, {"ADMIN_API_TOKEN_FILE": str(tmp_path / "token"), "ADMIN_API_PORT": "0"}
    )
    weak.start()
    assert weak.wait() == 1
    assert "fewer than 16 characters" in weak.log()
