"""model pull and push against a Hub on this machine, and against huggingface_hub as the other client of it."""
import hashlib, json, os, pathlib, random, signal, ssl, subprocess, sys, time

import pytest

from conftest import BINARY
from hub_server import Hub, git_blob

huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub from PyPI is not installed")

NAME = "org/tiny"
CONFIG = b'{"model_type": "t5"}\n'
WEIGHTS = random.Random(5).randbytes(3_000_000)
FILES = {"config.json": CONFIG, "generation_config.json": b"{}", "README.md": b"# tiny\n",
         "spiece.model": b"vocabulary" * 1000, "model.safetensors": WEIGHTS, "pytorch_model.bin": b"a pickle",
         "onnx/model.onnx": b"not needed", ".gitattributes": b"*"}
NEEDED = {"config.json", "generation_config.json", "README.md", "spiece.model", "model.safetensors"}


@pytest.fixture
def hub():
    with Hub() as hub:
        hub.add(NAME, FILES)
        yield hub


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "hub"


def command(*arguments, hub=None, cache=None, token=None, timeout=60, **env):
    given = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))
             and not k.lower().endswith("_proxy")}
    if hub:
        given["HF_ENDPOINT"] = hub if isinstance(hub, str) else hub.url
    if cache:
        given["HF_HUB_CACHE"] = str(cache)
    if token:
        given["HF_TOKEN"] = token
    given["HOME"] = "/nonexistent"
    return subprocess.run([BINARY, "model", *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env={**given, **env})


def pull(hub, cache, name=NAME, *more, **env):
    return command("pull", name, *more, hub=hub, cache=cache, **env)


def pulled(hub, cache, name=NAME, **env):
    reply = pull(hub, cache, name, "--json", **env)
    assert reply.returncode == 0, reply.stderr
    return json.loads(reply.stdout)


def model_folder(cache, name=NAME):
    return cache / ("models--" + name.replace("/", "--"))


def blob(cache, data, name=NAME):
    return model_folder(cache, name) / "blobs" / hashlib.sha256(data).hexdigest()


def client(hub, token=None):
    return huggingface_hub.HfApi(endpoint=hub.url, token=token or False)


def theirs(hub, code, *arguments):
    """Runs huggingface_hub with this Hub as the Hub, which it wants to know when it is imported."""
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_write", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    reply = subprocess.run([sys.executable, "-c", "import sys, huggingface_hub as h; api = h.HfApi(); " + code,
                            *map(str, arguments)],
                           env=env, capture_output=True, text=True, timeout=60)
    assert reply.returncode == 0, reply.stderr
    return reply.stdout.strip()


# ---- pulling ----

def test_pull_fetches_what_t5_needs_and_nothing_else(hub, cache):
    reply = pull(hub, cache)
    assert reply.returncode == 0, reply.stderr
    folder = pathlib.Path(reply.stdout.strip())
    assert {p.name for p in folder.iterdir()} == NEEDED
    for name in NEEDED:
        path = folder / name
        assert path.read_bytes() == FILES[name]
        assert os.readlink(path).startswith("../../blobs/")
    commit = hub.repos[NAME].branches["main"]
    assert folder == model_folder(cache) / "snapshots" / commit and commit in reply.stderr
    assert (model_folder(cache) / "refs" / "main").read_text() == commit
    assert blob(cache, WEIGHTS).is_file()
    assert (model_folder(cache) / "blobs" / git_blob(CONFIG)).is_file()
    assert not list(cache.rglob("*.incomplete"))


def test_a_second_pull_fetches_nothing(hub, cache):
    assert pulled(hub, cache)["fetched"] == len(NEEDED)
    assert pulled(hub, cache)["fetched"] == 0
    before = len(hub.log)
    assert pulled(hub, cache, f"{NAME}@{hub.repos[NAME].branches['main']}")["fetched"] == 0
    assert len(hub.log) == before, "a commit that is whole in the cache needs no network"
    assert pulled(None, cache, HF_HUB_OFFLINE="1")["fetched"] == 0


def test_a_new_commit_fetches_what_changed(hub, cache):
    first = pulled(hub, cache)
    hub.add(NAME, {"README.md": b"# tiny, again\n"})
    second = pulled(hub, cache)
    assert second["fetched"] == 1 and second["commit"] != first["commit"]
    assert (pathlib.Path(first["folder"]) / "README.md").read_bytes() == FILES["README.md"]
    assert (pathlib.Path(second["folder"]) / "README.md").read_bytes() == b"# tiny, again\n"
    pinned = pulled(hub, cache, f"{NAME}@{first['commit']}")
    assert pinned["folder"] == first["folder"]


def test_branches_tags_and_requests_for_change(hub, cache):
    other = hub.add(NAME, {"README.md": b"other"}, branch="refs/pr/1")
    hub.add(NAME, FILES, branch="refs/pr/1")
    assert pulled(hub, cache, NAME + "@refs/pr/1")["commit"] != other
    assert (model_folder(cache) / "refs" / "refs" / "pr" / "1").read_text() == hub.repos[NAME].branches["refs/pr/1"]


def test_shards(hub, cache):
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors",
                                            "b": "model-00002-of-00002.safetensors",
                                            "c": "model-00001-of-00002.safetensors"}}
    files = {"config.json": CONFIG, "model.safetensors.index.json": json.dumps(index).encode(),
             "model-00001-of-00002.safetensors": b"one" * 5000, "model-00002-of-00002.safetensors": b"two" * 5000,
             "other.safetensors": b"no"}
    hub.add("org/shards", files)
    folder = pathlib.Path(pulled(hub, cache, "org/shards")["folder"])
    assert {p.name for p in folder.iterdir()} == set(files) - {"other.safetensors"}


@pytest.mark.parametrize("wrong", ["../../../outside.safetensors", "/etc/passwd", "sub/model.safetensors", "model.bin",
                                   ".safetensors", "missing.safetensors"])
def test_an_index_leads_nowhere_else(hub, cache, wrong):
    hub.add("org/evil", {"config.json": CONFIG,
                         "model.safetensors.index.json": json.dumps({"weight_map": {"a": wrong}}).encode()})
    reply = pull(hub, cache, "org/evil")
    assert reply.returncode == 65 and "model.safetensors.index.json" in reply.stderr
    assert not [p for p in cache.parent.rglob("*outside*")]


@pytest.mark.parametrize("files", [["../config.json"], ["..", "config.json/../../x"], ["/etc/passwd"], ["a\u0000b"],
                                   [".."]])
def test_names_in_the_listing_lead_nowhere_else(hub, cache, files):
    hub.faults["info"] = lambda reply: {**reply, "siblings": [{"rfilename": name} for name in files]}
    assert pull(hub, cache).returncode == 65
    assert not cache.exists() or not list(cache.rglob("snapshots/*/*"))


@pytest.mark.parametrize("name", ["../x", "a/b/c", "/a", "a/..", "a--b/c", "", "a/b@", "a/b@../main", "a/b@/x", "a b/c",
                                  "a/" + "b" * 97, "a/b@-x", "a/.b"])
def test_names_on_the_command_line(hub, cache, name):
    assert pull(hub, cache, name).returncode == 65
    assert not hub.log and not cache.exists()


def test_the_cut_is_resumed(hub, cache):
    # after a megabyte, twice; small files come whole: no cut is left for them
    hub.faults["cut"] = [1_000_000, 1_000_000]
    hub.repos[NAME].trees[hub.repos[NAME].branches["main"]] = {"config.json": b"", "model.safetensors": WEIGHTS}
    reply = pulled(hub, cache)
    assert reply["fetched"] == 2 and blob(cache, WEIGHTS).read_bytes() == WEIGHTS
    ranges = [headers.get("Range") for method, path, headers in hub.log if method == "GET"
              and path.startswith("/object/")]
    assert ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_an_earlier_run_is_resumed(hub, cache):
    part = blob(cache, WEIGHTS).with_suffix(".incomplete")
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:2_500_000])
    pulled(hub, cache)
    assert blob(cache, WEIGHTS).read_bytes() == WEIGHTS
    assert hub.requests("GET", "/object/" + hashlib.sha256(WEIGHTS).hexdigest())[0][2]["Range"] == "bytes=2500000-"


@pytest.mark.parametrize("left", [b"not the beginning" * 1000, WEIGHTS + b"more", WEIGHTS, WEIGHTS[:-1] + b"!"])
def test_a_wrong_part_is_thrown_away(hub, cache, left):
    part = blob(cache, WEIGHTS).with_suffix(".incomplete")
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    pulled(hub, cache)
    assert blob(cache, WEIGHTS).read_bytes() == WEIGHTS


def test_a_server_without_ranges(hub, cache):
    hub.faults.update(cut=[500_000], no_ranges=True)
    hub.repos[NAME].trees[hub.repos[NAME].branches["main"]] = {"config.json": b"", "model.safetensors": WEIGHTS}
    pulled(hub, cache)
    assert blob(cache, WEIGHTS).read_bytes() == WEIGHTS


def test_killed_in_the_middle(hub, cache, tmp_path):
    hub.faults["content"] = lambda data: (time.sleep(0.2), data)[1]
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache)}
    for delay in (0.05, 0.2, 0.4, 0.6, 0.8):
        process = subprocess.Popen([BINARY, "model", "pull", "-q", NAME], env=env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        for link in cache.rglob("snapshots/*/*"):
            assert link.name.startswith(".") or link.read_bytes() == FILES[link.name]
    hub.faults.clear()
    pulled(hub, cache)
    assert blob(cache, WEIGHTS).read_bytes() == WEIGHTS


def test_ctrl_c_keeps_what_came(hub, cache):
    hub.faults["cut"] = []
    hub.faults["content"] = lambda data: (time.sleep(3 if len(data) == len(WEIGHTS) else 0), data)[1]
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache)}
    process = subprocess.Popen([BINARY, "model", "pull", NAME], env=env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    while not hub.requests("GET", "/object/" + hashlib.sha256(WEIGHTS).hexdigest()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=2)
    assert process.returncode == 130 and "goes on where it was" in said


def test_wrong_content_is_refused(hub, cache):
    hub.faults["content"] = lambda data: data[:-1] + b"!" if data == WEIGHTS else data
    reply = pull(hub, cache)
    assert reply.returncode == 65
    assert "model.safetensors: the SHA-256 is" in reply.stderr and hashlib.sha256(WEIGHTS).hexdigest() in reply.stderr
    assert not blob(cache, WEIGHTS).exists() and not list(cache.rglob("*.incomplete"))
    assert not (model_folder(cache) / "refs" / "main").exists(), "a broken model is nobody's main"
    hub.faults["content"] = lambda data: b'{"model_type": "T5"}\n' if data == CONFIG else data
    assert "config.json: the git hash is" in pull(hub, cache.parent / "other").stderr


@pytest.mark.parametrize("fault, said", [
    ({"content": lambda data: data + b"more"}, "bytes were announced"),
    ({"size": 10}, "bytes were announced"),
    ({"size": 1 << 40}, "the limit is"),
    ({"size": -1}, "its size is -1"),
    ({"etag": lambda e, f: "../../../evil"}, "no SHA-256 and no git hash"),
    ({"etag": lambda e, f: e.upper()}, "no SHA-256 and no git hash"),
    ({"etag": lambda e, f: None}, "no ETag"),
    ({"etag": lambda e, f: "0" * len(e)}, "thrown away"),
    ({"commit": "0" * 40}, "answers with commit"),
    ({"info": lambda r: {**r, "sha": "../../x"}}, "sha:"),
    ({"info": lambda r: {**r, "sha": "A" * 40}}, "sha:"),
    ({"info": lambda r: {**r, "siblings": [{"rfilename": str(i)} for i in range(20000)]}}, "siblings:"),
    ({"info": lambda r: {**r, "siblings": [5]}}, "siblings:"),
    ({"info": lambda r: []}, "object"),
    ({"info": lambda r: {**r, "pad": "x" * (5 << 20)}}, "bytes"),
])
def test_what_a_hub_may_not_say(hub, cache, fault, said):
    hub.faults.update(fault)
    reply = pull(hub, cache)
    assert reply.returncode in (65, 73), reply.stderr
    assert said in reply.stderr
    assert not list(cache.parent.rglob("evil*"))


def test_an_etag_that_changes_starts_a_new_file(hub, cache):
    """The part of one content is never continued with another's bytes."""
    old = blob(cache, b"old content").with_suffix(".incomplete")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old con")
    folder = pathlib.Path(pulled(hub, cache)["folder"])
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS and old.read_bytes() == b"old con"


@pytest.mark.parametrize("where", ["http://10.0.0.1:9/x", "http://169.254.169.254/latest/meta-data",
                                   "http://[fd00::1]/x", "http://192.168.1.1/x", "file:///etc/passwd",
                                   "http://user:pw@127.0.0.1/x"])
def test_redirects_to_private_addresses(hub, cache, where):
    hub.faults["location"] = where
    began = time.monotonic()
    reply = pull(hub, cache)
    assert reply.returncode != 0 and time.monotonic() - began < 5, reply.stderr
    assert not blob(cache, WEIGHTS).exists()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A certificate for an address of this machine that is not loopback, if it has one."""
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=hub", "-addext", f"subjectAltName=IP:{address},IP:127.0.0.1", "-keyout",
                    folder / "key", "-out", folder / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return address, context, str(folder / "cert")


def test_a_hub_elsewhere_may_not_lead_here(tls, cache):
    """https on the network: its own address is fine though private, its redirect to this machine is not."""
    address, context, certificate = tls
    with Hub(tls=context, address=address) as hub:
        hub.add(NAME, FILES)
        with Hub(tls=context) as here:
            for where in (here.store_url, here.store_url.replace("127.0.0.1", "x.localhost"), hub.store_url):
                hub.faults["location"] = f"{where}/object/{hashlib.sha256(WEIGHTS).hexdigest()}"
                reply = pull(hub, cache, SSL_CERT_FILE=certificate)
                assert reply.returncode == 3 and "private address" in reply.stderr, reply.stderr
            assert not here.log, "no request came"
        hub.faults["location"] = f"http://{address}:9/x"
        assert "away from https" in pull(hub, cache, SSL_CERT_FILE=certificate).stderr
        assert pull(hub, cache).returncode == 77, "an unknown certificate"


def test_http_is_for_this_machine(cache):
    for endpoint in ("http://hub.example", "ftp://127.0.0.1", "hub.example", "http://127.0.0.1.example"):
        reply = pull(endpoint, cache)
        assert reply.returncode == 78 and "https" in reply.stderr


def test_refusals_say_what_to_do(hub, cache):
    def said(name, token=None):
        reply = pull(hub, cache, name, token=token)
        return reply.returncode, reply.stderr
    hub.add("org/private", FILES, private=True)
    hub.add("org/gated", FILES)
    hub.repos["org/gated"].gated = True
    assert said("org/none") == (66, "wardscribe model pull: org/none: no such model, or a private one: check the name, "
                                    "or set HF_TOKEN to a token that may read it\n")
    assert said("org/private")[0] == 66
    assert said("org/private", "hf_write")[0] == 0
    assert said("org/gated")[0] == 77 and "ask for access" in said("org/gated")[1]
    assert said(NAME, "wrong")[0] == 77 and "does not take the token" in said(NAME, "wrong")[1]
    assert said(NAME + "@v2")[0] == 66 and "no such revision" in said(NAME + "@v2")[1]
    hub.add("org/pickle", {"config.json": CONFIG, "pytorch_model.bin": b"x"})
    assert said("org/pickle")[0] == 65 and "pickle" in said("org/pickle")[1]
    hub.add("org/empty", {"README.md": b"x"})
    assert "no config.json" in said("org/empty")[1]
    assert pull("http://127.0.0.1:1", cache, "org/never").returncode == 69
    assert "HF_HUB_OFFLINE" in pull(hub, cache, "org/never", HF_HUB_OFFLINE="1").stderr


def test_the_token_goes_to_the_hub_alone(hub, cache, tmp_path):
    hub.faults["relative"] = True
    (tmp_path / "token").write_text("hf_write\n")
    assert pull(hub, cache, HF_TOKEN_PATH=str(tmp_path / "token")).returncode == 0
    sent = [(path, headers.get("Authorization")) for _, path, headers in hub.log]
    assert all((auth is None) == path.startswith("/object/") for path, auth in sent)
    assert any("/api/resolve-cache/" in path for path, _ in sent)
    for wrong in ("two words", "x" * 600):
        (tmp_path / "token").write_text(wrong)
        assert pull(hub, cache, HF_TOKEN_PATH=str(tmp_path / "token")).returncode == 78


def test_links_in_the_cache_are_not_followed_out(hub, cache, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    model_folder(cache).mkdir(parents=True)
    (model_folder(cache) / "blobs").symlink_to(outside)
    reply = pull(hub, cache)
    assert reply.returncode == 3 and "must be a folder" in reply.stderr and not list(outside.iterdir())
    (model_folder(cache) / "blobs").unlink()
    part = blob(cache, WEIGHTS).with_suffix(".incomplete")
    part.parent.mkdir()
    (outside / "victim").write_bytes(b"untouched")
    part.symlink_to(outside / "victim")
    assert pull(hub, cache).returncode == 74
    assert (outside / "victim").read_bytes() == b"untouched"


def test_a_cached_file_that_changed_is_fetched_again(hub, cache):
    pulled(hub, cache)
    blob(cache, WEIGHTS).write_bytes(WEIGHTS[:-1] + b"!")
    assert pulled(hub, cache)["fetched"] == 1
    assert blob(cache, WEIGHTS).read_bytes() == WEIGHTS


def test_two_at_once(hub, cache):
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache)}
    hub.faults["content"] = lambda data: (time.sleep(0.1), data)[1]
    both = [subprocess.Popen([BINARY, "model", "pull", "-q", NAME], env=env, stdout=subprocess.PIPE) for _ in range(3)]
    assert len({p.communicate(timeout=60)[0] for p in both}) == 1 and all(p.returncode == 0 for p in both)
    assert len(hub.requests("GET", "/object/" + hashlib.sha256(WEIGHTS).hexdigest())) == 1


def test_no_room_on_the_disk(hub, cache):
    hub.faults["size"] = 60 << 30
    reply = pull(hub, cache)
    free = os.statvfs(cache.parent)
    if free.f_bavail * free.f_frsize > 60 << 30:
        pytest.skip("this disk has 60 GB free")
    assert reply.returncode == 74 and "MB free" in reply.stderr


# ---- huggingface_hub, the other client of the same server ----

def test_we_find_what_huggingface_hub_fetched(hub, cache):
    folder = client(hub).snapshot_download(NAME, cache_dir=cache, allow_patterns=sorted(NEEDED))
    before = len(hub.requests("GET", "/resolve/")) + len(hub.requests("GET", "/object/"))
    ours = pulled(hub, cache)
    assert ours["folder"] == str(folder) and ours["fetched"] == 0
    assert len(hub.requests("GET", "/resolve/")) + len(hub.requests("GET", "/object/")) == before


def test_huggingface_hub_finds_what_we_fetched(hub, cache):
    ours = pulled(hub, cache)
    before = len(hub.log)
    for name in NEEDED:
        path = client(hub).hf_hub_download(NAME, name, cache_dir=cache, local_files_only=True)
        assert pathlib.Path(path).read_bytes() == FILES[name]
    assert len(hub.log) == before
    assert client(hub).snapshot_download(NAME, cache_dir=cache, allow_patterns=sorted(NEEDED)) == ours["folder"]
    assert not hub.requests("GET", "/object/")[2:], "nothing large came twice"
    report = huggingface_hub.scan_cache_dir(cache)
    assert not report.warnings and [r.repo_id for r in report.repos] == [NAME]


@pytest.mark.skipif(int(huggingface_hub.__version__.split(".")[0]) >= 1,
                    reason="since 1.0 it uploads large files by Xet only")
def test_what_huggingface_hub_uploads_we_pull(hub, cache, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_bytes(FILES[name])
    commit = theirs(hub, "api.create_repo('org/theirs'); "
                         "print(api.upload_folder(repo_id='org/theirs', folder_path=sys.argv[1]).oid)", folder)
    ours = pulled(hub, cache, "org/theirs")
    assert ours["commit"] == commit
    for name in NEEDED:
        assert (pathlib.Path(ours["folder"]) / name).read_bytes() == FILES[name]


# ---- pushing ----

@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_bytes(FILES[name])
    (folder / "patients.csv").write_text("not yours")
    (folder / ".env").write_text("nor this")
    return folder


def push(hub, folder, name="org/ours", *more, token="hf_write", **env):
    reply = command("push", folder, name, "--json", *more, hub=hub, token=token, **env)
    return (json.loads(reply.stdout) if reply.returncode == 0 else None), reply


@pytest.mark.parametrize("part_size", [None, 1_000_000])
def test_what_we_push_huggingface_hub_downloads(made, tmp_path, part_size):
    with Hub(part_size=part_size) as hub:
        pushed, reply = push(hub, made)
        assert pushed and pushed["uploaded"] == 2, reply.stderr
        assert hub.repos["org/ours"].branches["main"] == pushed["commit"]
        folder = theirs(hub, "print(h.snapshot_download('org/ours', cache_dir=sys.argv[1]))", tmp_path / "theirs")
        sent = {p.name for p in pathlib.Path(folder).iterdir()} - {".gitattributes"}
        assert sent == NEEDED, "nothing else left this machine"
        for name in NEEDED:
            assert (pathlib.Path(folder) / name).read_bytes() == FILES[name]
        assert len(hub.requests("PUT")) == (2 if part_size is None else 4)
        assert not [h for m, p, h in hub.log if m == "PUT" and "Authorization" in h]


def test_a_push_is_pulled_again(hub, cache, made):
    pushed, _ = push(hub, made)
    ours = pulled(hub, cache, "org/ours")
    assert ours["commit"] == pushed["commit"]
    assert (pathlib.Path(ours["folder"]) / "model.safetensors").read_bytes() == WEIGHTS


def test_only_what_changed_is_sent(hub, made):
    first, _ = push(hub, made)
    again, _ = push(hub, made)
    assert again["unchanged"] and again["commit"] == first["commit"] and again["uploaded"] == 0
    (made / "README.md").write_text("# new")
    hub.log.clear()
    third, _ = push(hub, made, "org/ours", "-m", "a new README")
    assert not third["unchanged"] and third["commit"] != first["commit"]
    assert not hub.requests("PUT") and not hub.requests("POST", "batch")
    other, _ = push(hub, made, "org/second")
    assert other["uploaded"] == 0, "the Hub has these contents, under another model"


def test_a_busy_store_is_asked_again(hub, made):
    hub.faults["store_errors"] = 2
    hub.objects.clear()
    pushed, reply = push(hub, made)
    assert pushed, reply.stderr
    assert len(hub.requests("PUT")) == 2 + 2


@pytest.mark.parametrize("fault, token, status, said", [
    ({}, None, 77, "set HF_TOKEN"),
    ({}, "wrong", 77, "does not take the token"),
    ({"read_only": True}, "hf_write", 77, "may not do this"),
    ({"lfs_error": "over quota"}, "hf_write", 3, "over quota"),
    ({"upload": "http://10.0.0.1/x"}, "hf_write", 3, "not https"),
    ({"upload": "https://10.0.0.1/x"}, "hf_write", 3, "private address"),
])
def test_pushes_that_are_refused(hub, made, fault, token, status, said):
    hub.faults.update(fault)
    hub.objects.clear()
    hub.add("org/ours", {"README.md": b"old"})
    before = hub.repos["org/ours"].branches["main"]
    _, reply = push(hub, made, token=token)
    assert (reply.returncode, said in reply.stderr) == (status, True), reply.stderr
    assert hub.repos["org/ours"].branches["main"] == before


def test_what_is_no_model_is_not_pushed(hub, made, tmp_path):
    (made / "config.json").unlink()
    _, reply = push(hub, made)
    assert reply.returncode == 65 and "config.json" in reply.stderr and not hub.log
    assert push(hub, tmp_path / "absent")[1].returncode == 66
    assert push(hub, made, "org/x@" + "0" * 40)[1].returncode == 65


def test_dry_run_sends_nothing(hub, made):
    reply = command("push", made, "org/ours", "--dry-run", hub=hub, token="hf_write")
    assert set(reply.stdout.split()) == NEEDED and not hub.log
