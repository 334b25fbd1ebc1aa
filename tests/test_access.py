"""Every path of openapi.yaml for every role (trust.md E2), and forged tokens over HTTP (E1)."""
import asyncio, base64, json, re

import httpx
import pytest
import websockets
import yaml

from conftest import ROOT, Ward, reading

SECRET = "long-enough-secret"
ROLES = ["admin", "doctor", "nurse", "viewer", "device"]
PORTS = {"vitals-generator": [8001], "auth-service": [8002], "summarizer-service": [8003], "alert-engine": [8004],
         "every": [8001, 8002, 8003, 8004]}
VALUES = {"id": "R1", "patient_id": "R1", "alert_id": "R1.fever.1", "username": "nobody", "user_id": "999",
          "number": "1"}


def operations():
    document = yaml.safe_load((ROOT / "backend/api/openapi.yaml").read_text())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield method.upper(), path, operation


def filled(path, operation):
    path = re.sub(r"\{(\w+)\}", lambda m: VALUES.get(m.group(1), "R1"), path)
    return path + ("?patient_id=R1" if path == "/api/analyze" else "")


HTTP = [(m, p, o) for m, p, o in operations() if "x-websocket" not in o]
SOCKETS = [(p, o) for m, p, o in operations() if "x-websocket" in o]


@pytest.fixture(scope="module")
def matrix_ward(tmp_path_factory):
    ward = Ward(tmp_path_factory.mktemp("matrix")).start()
    admin = ward.client()
    admin.post("/api/ingest/vitals", json=reading("R1", heartRate=80)).raise_for_status()
    for role in ROLES:
        admin.post("/api/auth/users", json={"username": f"role-{role}", "password": SECRET,
                                            "role": role}).raise_for_status()
    ward.tokens = {role: ward.login(f"role-{role}", SECRET) for role in ROLES}
    yield ward
    assert ward.stop() == 0


def test_the_interface_names_every_route_of_the_program():
    """A route that openapi.yaml does not know would escape the matrix below."""
    program = set()
    for source in (ROOT / "backend").rglob("*.c"):
        if source.name.endswith("_test.c"):
            continue
        program |= set(re.findall(r'\{ HTTP_([A-Z]+), +"([^"]+)"', source.read_text()))
    shape = lambda path: re.sub(r"\{\w+\}", "{}", path)
    named = {(m, shape(p)) for m, p, _ in operations()}
    assert len(program) > 30
    assert {(m, shape(p)) for m, p in program} - named == set()
    assert named - {(m, shape(p)) for m, p in program} == set()


def answer(ward, port, method, path, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, ward.url(port) + path, headers=headers, content=None if method == "GET" else b"{}",
                         timeout=20)


def allowed_roles(operation):
    roles = operation["x-roles"]
    return None if roles == "public" else set(roles)


def test_every_path_for_every_role_on_every_port(matrix_ward):
    cells = 0
    for role in [None, "garbage", *ROLES]:
        for method, path, operation in HTTP:
            allowed, target = allowed_roles(operation), filled(path, operation)
            for port in [3000, *PORTS[operation["x-service"]]]:
                token = matrix_ward.tokens.get(role, role)
                if path == "/api/auth/logout" and role in ROLES:  # it would end the token of all other cells
                    token = matrix_ward.login(f"role-{role}", SECRET) if port == 3000 else None
                    if not token:
                        continue
                reply = answer(matrix_ward, port, method, target, token)
                cell = (role, method, target, port, reply.status_code, reply.text[:200])
                assert reply.status_code < 500, cell
                if allowed is None or role in allowed:
                    assert reply.status_code not in (401, 403), cell
                else:
                    assert reply.status_code == (403 if role in ROLES else 401), cell
                    assert "detail" in reply.json(), cell
                cells += 1
    print(f"{cells} cells, {len(HTTP)} operations")
    assert cells > 7 * len(HTTP)


def test_a_path_belongs_to_its_service_only(matrix_ward):
    for method, path, operation in HTTP:
        if operation["x-service"] == "every":
            continue
        for service, ports in PORTS.items():
            if service not in ("every", operation["x-service"]):
                reply = answer(matrix_ward, ports[0], method, filled(path, operation), matrix_ward.tokens["admin"])
                assert reply.status_code in (404, 405), (method, path, service, reply.status_code)


def socket_code(url, token, how):
    """What the server closes with; None when it speaks."""
    async def scenario():
        headers = {"Authorization": f"Bearer {token}"} if how == "header" else {}
        protocols = ["bearer", token] if how == "protocol" else None
        query = f"?token={token}" if how == "query" else ""
        async with websockets.connect(url + query, additional_headers=headers, subprotocols=protocols) as socket:
            if how == "message":
                await socket.send(json.dumps({"type": "auth", "token": token}))
            try:
                await asyncio.wait_for(socket.recv(), 8)
                return None
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code

    return asyncio.run(scenario())


@pytest.mark.parametrize("path,operation", SOCKETS, ids=[p for p, _ in SOCKETS])
def test_every_socket_for_every_role_and_way_of_proof(matrix_ward, path, operation):
    for port in [3000, *PORTS[operation["x-service"]]]:
        url = matrix_ward.url(port, "ws") + filled(path, operation)
        for how in ("header", "message", "query", "protocol"):
            for role in ROLES:
                code = socket_code(url, matrix_ward.tokens[role], how)
                assert code == (None if role in operation["x-roles"] else 4403), (path, port, how, role, code)
            assert socket_code(url, "not.a.token", how) == 4401, (path, port, how)


def part(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes)
                                    else json.dumps(value).encode()).rstrip(b"=").decode()


def test_forged_tokens_are_refused_over_http_and_sockets(matrix_ward):
    """The 4,000 of auth-service/token_test.c are tried without a socket; these pass through all of the server."""
    good = matrix_ward.tokens["admin"]
    header, payload, signature = good.split(".")
    claims, head = (json.loads(base64.urlsafe_b64decode(p + "===")) for p in (payload, header))
    jwk = matrix_ward.client(good).get("/api/auth/jwks", headers={}).json()["keys"][0]
    forged = [".", "..", good[:-1], good + "A", f"{header}.{payload}.", f"{header}..{signature}",
              f".{payload}.{signature}", good.swapcase(), " " + good[1:], "null", "undefined", "x" * 3000]
    for algorithm in ("none", "None", "NONE", "nOnE", "HS256", "RS256", "ES384", "PS256", "", None, 0, ["ES256"]):
        for tail in ("", signature):
            forged.append(f"{part({**head, 'alg': algorithm})}.{payload}.{tail}")
    for field, value in (("kid", "../../keys"), ("kid", "' OR 1=1 --"), ("kid", "http://127.0.0.1/k"), ("kid", ""),
                         ("jwk", jwk), ("jku", "http://127.0.0.1/jwks"), ("x5u", "http://127.0.0.1/x"), ("x5c", ["AA"]),
                         ("typ", "refresh"), ("crit", ["exp"])):
        forged.append(f"{part({**head, field: value})}.{payload}.{signature}")
    for field, value in (("exp", 0), ("exp", 2**63), ("nbf", 2**40), ("aud", "other"), ("iss", "other"),
                         ("role", "admin"), ("sub", "2")):
        forged.append(f"{header}.{part({**claims, field: value})}.{signature}")
    for token in forged:
        reply = httpx.get(matrix_ward.url() + "/api/patients", headers={"Authorization": b"Bearer " + token.encode()})
        assert reply.status_code == 401, (token, reply.status_code)
    for token in forged[::6]:
        assert socket_code(matrix_ward.url(8001, "ws") + "/ws/ward", token, "message") == 4401, token
    assert httpx.get(matrix_ward.url() + "/api/patients",
                     headers={"Authorization": f"Bearer {good}"}).status_code == 200
    log = (matrix_ward.directory / "log").read_text()
    assert good not in log and signature not in log
