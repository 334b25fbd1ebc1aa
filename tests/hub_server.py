"""A Hugging Face Hub on this machine: the protocol that huggingface_hub speaks, in memory.

Two servers: the Hub, and the store that large files are redirected to.  tests/test_hub.py proves it with
huggingface_hub itself.  What can go wrong is asked for through `faults`.
"""
import base64, contextlib, hashlib, json, re, threading, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LFS_SUFFIXES = (".safetensors", ".model", ".bin")
REFUSALS = {  # the Hub's X-Error-Code per case
    "RepoNotFound": 404, "RevisionNotFound": 404, "EntryNotFound": 404, "GatedRepo": 403,
}


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Refused(Exception):
    def __init__(self, status, code, text):
        self.status, self.code, self.text = status, code, text


class Repo:
    def __init__(self, private=False):
        self.private, self.gated, self.commits, self.branches, self.trees = private, False, 0, {}, {}

    def commit(self, branch, files, removed=()):
        tree = dict(self.trees.get(self.branches.get(branch), {}))
        tree.update(files)
        for path in removed:
            tree.pop(path, None)
        self.commits += 1
        oid = hashlib.sha1(f"{self.commits} {branch} {sorted(tree)}".encode()
                           + b"".join(tree[p] for p in sorted(tree))).hexdigest()
        self.trees[oid] = tree
        self.branches[branch] = oid
        return oid


class Hub:
    """`with Hub() as hub:`; hub.url is the endpoint, hub.log the requests as (method, path, headers)."""

    def __init__(self, tokens=("hf_write",), part_size=None, tls=None, address="127.0.0.1"):
        self.repos, self.tokens, self.part_size = {}, set(tokens), part_size
        self.objects, self.parts, self.log, self.lock = {}, {}, [], threading.Lock()
        self.faults = {}  # name -> what; see the uses of self.fault()
        self.hub = self._serve(HubHandler, address, tls)
        self.store = self._serve(StoreHandler, address, tls)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{address}:{self.hub.server_port}"
        self.store_url = f"{scheme}://{address}:{self.store.server_port}"

    def _serve(self, handler, address, tls):
        server = ThreadingHTTPServer((address, 0), handler)
        server.daemon_threads, server.owner = True, self
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()

    def add(self, name, files, branch="main", **more):
        repo = self.repos.setdefault(name, Repo(**more))
        for path, data in files.items():
            if self.is_lfs(path, data):
                self.objects[hashlib.sha256(data).hexdigest()] = data
        return repo.commit(branch, files)

    def is_lfs(self, path, data):
        return len(data) > 0 and (path.endswith(LFS_SUFFIXES) or len(data) > 10 << 20)

    def fault(self, name, default=None):
        return self.faults.get(name, default)

    def requests(self, method=None, contains=""):
        return [r for r in self.log if (method is None or r[0] == method) and contains in r[1]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def owner(self):
        return self.server.owner

    def send(self, status, body=b"", headers=(), length=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            out = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self):
        self.owner.log.append((self.command, self.path, dict(self.headers)))
        try:
            self.answer(urllib.parse.urlsplit(self.path).path)
        except Refused as refused:
            self.body()
            self.send(refused.status, {"error": refused.text},
                      [("X-Error-Code", refused.code), ("X-Error-Message", refused.text)])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def send_content(self, data, headers):
        """The bytes, whole or from where Range says; faults cut, spoil or lengthen them."""
        owner = self.owner
        data = owner.fault("content", lambda d: d)(data)
        total, start, status = len(data), 0, 200
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and not owner.fault("no_ranges"):
            start, status = int(wanted[1]), 206
            if start >= total:
                return self.send(416, headers=[("Content-Range", f"bytes */{total}")])
            headers = [*headers, ("Content-Range", f"bytes {start}-{total - 1}/{total}")]
        piece = data[start:]
        with owner.lock:
            cuts = owner.faults.get("cut", [])
            cut = cuts.pop(0) if cuts and self.command == "GET" else None
        if cut is None:
            return self.send(status, piece, headers)
        self.send(status, piece[:cut], headers, length=len(piece))
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)


class HubHandler(Handler):
    def token(self):
        value = self.headers.get("Authorization", "")
        if not value:
            return None
        token = value.removeprefix("Bearer ")
        if token not in self.owner.tokens:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return token

    def repo(self, name):
        repo, token = self.owner.repos.get(name), self.token()
        if repo is None or (repo.private and not token):
            if token is None:
                raise Refused(401, "RepoNotFound", "Invalid username or password.")
            raise Refused(404, "RepoNotFound", "Repository not found")
        if repo.gated and not token:
            raise Refused(403, "GatedRepo", f"Access to model {name} is restricted")
        return repo

    def tree(self, repo, revision):
        revision = urllib.parse.unquote(revision)
        commit = repo.branches.get(revision) or (revision if revision in repo.trees else None)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repo.trees[commit]

    def answer(self, path):
        for method, pattern, function in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                return function(self, *match.groups())
        raise Refused(404, "", f"no route {self.command} {path}")

    def whoami(self):
        if not self.token():
            raise Refused(401, "", "Invalid credentials")
        self.send(200, {"type": "user", "name": "ward", "auth": {"accessToken": {"role": "write"}}})

    def info(self, name, revision="main"):
        commit, tree = self.tree(self.repo(name), revision)
        reply = {"_id": "1", "id": name, "modelId": name, "sha": commit, "private": False, "gated": False,
                 "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                 "siblings": [{"rfilename": p} for p in sorted(tree)]}
        self.send(200, self.owner.fault("info", lambda r: r)(reply))

    def listing(self, name, revision):
        _, tree = self.tree(self.repo(name), revision)
        files = []
        for path, data in sorted(tree.items()):
            entry = {"type": "file", "path": path, "size": len(data), "oid": git_blob(data)}
            if self.owner.is_lfs(path, data):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            files.append(entry)
        self.send(200, files)

    def resolve(self, name, revision, file):
        commit, tree = self.tree(self.repo(name), revision)
        file = urllib.parse.unquote(file)
        if file not in tree:
            raise Refused(404, "EntryNotFound", "Entry not found")
        data, owner = tree[file], self.owner
        lfs = owner.is_lfs(file, data)
        etag = hashlib.sha256(data).hexdigest() if lfs else git_blob(data)
        headers = [("X-Repo-Commit", owner.fault("commit", commit)), ("Accept-Ranges", "bytes")]
        etag = owner.fault("etag", lambda e, f: e)(etag, file)
        if etag:
            headers.append(("X-Linked-Etag" if lfs else "ETag", f'"{etag}"'))
        if lfs:
            signed = f"{owner.store_url}/object/{hashlib.sha256(data).hexdigest()}?signed=1"
            location = owner.fault("location") or signed
            headers += [("X-Linked-Size", str(owner.fault("size", len(data)))), ("Location", location)]
            return self.send(302, b"", headers)
        if owner.fault("relative") and not self.path.startswith("/api/"):
            return self.send(307, b"", [*headers, ("Location", f"/api/resolve-cache/models/{name}/{revision}/{file}")])
        if self.command == "HEAD":
            return self.send(200, data, headers)
        self.send_content(data, headers)

    def create(self):
        if not self.token():
            raise Refused(401, "", "Invalid username or password.")
        asked = json.loads(self.body())
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if name in self.owner.repos:
            return self.send(409, {"error": "You already created this model repo", "url": f"{self.owner.url}/{name}"})
        self.owner.repos[name] = Repo(private=bool(asked.get("private")))
        self.owner.repos[name].commit("main",
                                      {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        self.send(200, {"url": f"{self.owner.url}/{name}", "name": name, "id": "1"})

    def writable(self, name):
        repo = self.repo(name)
        if not self.token():
            raise Refused(401, "", "Invalid username or password.")
        if self.owner.fault("read_only"):
            raise Refused(403, "", "You don't have the rights to write")
        return repo

    def preupload(self, name, revision):
        repo = self.writable(name)
        _, tree = self.tree(repo, revision)
        files = []
        for file in json.loads(self.body())["files"]:
            sample, size = base64.b64decode(file["sample"], validate=True), file["size"]
            assert len(sample) == min(size, 512), "the sample is the first 512 bytes"
            lfs = size > 0 and (file["path"].endswith(LFS_SUFFIXES) or size > 10 << 20)
            entry = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
            if file["path"] in tree:
                data = tree[file["path"]]
                entry["oid"] = hashlib.sha256(data).hexdigest() if lfs else git_blob(data)
            files.append(entry)
        self.send(200, {"files": files})

    def batch(self, name):
        self.writable(name)
        assert self.headers["Content-Type"].startswith("application/vnd.git-lfs+json")
        asked, objects, transfer = json.loads(self.body()), [], "basic"
        assert asked["operation"] == "upload" and asked["hash_algo"] == "sha256"
        for item in asked["objects"]:
            entry = {"oid": item["oid"], "size": item["size"], "authenticated": True}
            if self.owner.fault("lfs_error"):
                entry["error"] = {"code": 422, "message": self.owner.fault("lfs_error")}
            elif item["oid"] not in self.owner.objects:
                header, part = {}, self.owner.part_size
                href = f"{self.owner.store_url}/upload/{item['oid']}"
                if part and item["size"] > part and "multipart" in asked["transfers"]:
                    transfer = "multipart"
                    header = {"chunk_size": str(part)}
                    for number in range(1, -(-item["size"] // part) + 1):
                        header[f"{number:05d}"] = f"{self.owner.store_url}/part/{item['oid']}/{number}"
                    href = f"{self.owner.url}/api/complete_multipart/{item['oid']}"
                entry["actions"] = {"upload": {"href": self.owner.fault("upload", href), "header": header},
                                    "verify": {"href": f"{self.owner.url}/{name}.git/info/lfs/verify", "header": {}}}
            objects.append(entry)
        self.send(200, {"transfer": transfer, "objects": objects})

    def complete(self, oid):
        asked = json.loads(self.body())
        assert asked["oid"] == oid
        data = b""
        for part in asked["parts"]:
            piece, etag = self.owner.parts[(oid, part["partNumber"])]
            if part["etag"] != etag:
                return self.send(400, {"error": "wrong part"})
            data += piece
        if hashlib.sha256(data).hexdigest() != oid:
            return self.send(400, {"error": "the parts are not the object"})
        self.owner.objects[oid] = data
        self.send(200, {})

    def verify(self, name):
        self.writable(name)
        asked = json.loads(self.body())
        data = self.owner.objects.get(asked["oid"])
        if data is None or len(data) != asked["size"]:
            return self.send(404, {"error": "object not found"})
        self.send(200, {})

    def commit(self, name, revision):
        repo = self.writable(name)
        head, _ = self.tree(repo, revision)
        assert self.headers["Content-Type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in self.body().splitlines() if line]
        assert lines[0]["key"] == "header" and lines[0]["value"]["summary"]
        if lines[0]["value"].get("parentCommit", head) != head:
            raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files, removed = {}, []
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                assert value["encoding"] == "base64"
                files[value["path"]] = base64.b64decode(value["content"], validate=True)
            elif line["key"] == "lfsFile":
                assert value["algo"] == "sha256"
                data = self.owner.objects.get(value["oid"])
                if data is None or len(data) != value["size"]:
                    raise Refused(400, "", f"LFS pointer {value['path']} points to an object that was not uploaded")
                files[value["path"]] = data
            elif line["key"] == "deletedFile":
                removed.append(value["path"])
        oid = repo.commit(urllib.parse.unquote(revision), files, removed)
        self.send(200, {"success": True, "commitUrl": f"{self.owner.url}/{name}/commit/{oid}", "commitOid": oid,
                        "hookOutput": ""})

    def yaml(self):
        self.body()
        self.send(200, {"errors": [], "warnings": []})


NAME = r"([\w.-]+(?:/[\w.-]+)?)"
ROUTES = [
    (("GET",), r"/api/whoami-v2", HubHandler.whoami),
    (("POST",), r"/api/repos/create", HubHandler.create),
    (("POST",), r"/api/validate-yaml", HubHandler.yaml),
    (("POST",), rf"/api/models/{NAME}/preupload/([^/]+)", HubHandler.preupload),
    (("POST",), rf"/api/models/{NAME}/commit/([^/]+)", HubHandler.commit),
    (("POST",), rf"/{NAME}\.git/info/lfs/objects/batch", HubHandler.batch),
    (("POST",), rf"/{NAME}\.git/info/lfs/verify", HubHandler.verify),
    (("POST",), r"/api/complete_multipart/(\w+)", HubHandler.complete),
    (("GET", "HEAD"), rf"/api/models/{NAME}/revision/([^/]+)", HubHandler.info),
    (("GET",), rf"/api/models/{NAME}/tree/([^/]+)", HubHandler.listing),
    (("GET", "HEAD"), rf"/api/resolve-cache/models/{NAME}/([^/]+)/(.+)", HubHandler.resolve),
    (("GET",), rf"/api/models/{NAME}", HubHandler.info),
    (("GET", "HEAD"), rf"/{NAME}/resolve/([^/]+)/(.+)", HubHandler.resolve),
]


class StoreHandler(Handler):
    """What a content network is to the Hub: signed URLs, no tokens."""

    def answer(self, path):
        if self.headers.get("Authorization"):
            return self.send(400, {"error": "a token was sent to the store"})
        kind, oid, *number = path.strip("/").split("/")
        if kind == "object" and self.command in ("GET", "HEAD") and oid in self.owner.objects:
            return self.send_content(self.owner.objects[oid],
                                     [("ETag", '"md5-of-a-store"'), ("Accept-Ranges", "bytes")])
        if self.command != "PUT":
            raise Refused(404, "", "no such object")
        data = self.body()
        with self.owner.lock:
            failures = self.owner.faults.get("store_errors", 0)
            self.owner.faults["store_errors"] = max(0, failures - 1)
        if failures:
            return self.send(503, {"error": "slow down"})
        if kind == "part":
            etag = f'"{hashlib.md5(data).hexdigest()}"'
            self.owner.parts[(oid, int(number[0]))] = (data, etag)
            return self.send(200, b"", [("ETag", etag)])
        if hashlib.sha256(data).hexdigest() != oid:
            return self.send(400, {"error": "the content is not the object"})
        self.owner.objects[oid] = data
        self.send(200)


if __name__ == "__main__":  # for trying things by hand: hub_server.py FOLDER NAME
    import pathlib, sys, time
    with Hub() as hub:
        hub.add(sys.argv[2], {p.name: p.read_bytes() for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_file()})
        print(f"HF_ENDPOINT={hub.url}", flush=True)
        while True:
            time.sleep(60)
