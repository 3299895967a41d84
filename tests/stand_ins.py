"""Stand-ins for package indexes: small wheels, and a server on this machine that lists them as PEP 503 says."""

import http.server
import importlib.metadata
import re
import threading
import zipfile
from collections import defaultdict
from pathlib import Path


def write_wheel(folder, name, version, files, requires=()):
    """A wheel of that name with those files ({path: text or bytes}); its path."""
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    files = {
        **files,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = Path(folder) / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(inside, content)
    return path


def package(folder, name, version, requires=()):
    """A wheel with an empty module."""
    module = name.replace("-", "_").lower()
    return write_wheel(folder, name, version, {f"{module}/__init__.py": ""}, requires)


def torch(folder, version, cuda, requires=()):
    """A wheel that says of itself what torch says: its version and CUDA's."""
    said = f"from typing import Optional\n\n__version__ = '{version}'\ncuda: Optional[str] = {cuda!r}\n"
    files = {"torch/__init__.py": "", "torch/version.py": said}
    return write_wheel(folder, "torch", version, files, requires)


def repacked(folder, name):
    """An installed package as a wheel again: the course's build backend, where there is no index."""
    found = importlib.metadata.distribution(name)
    path = Path(folder) / f"{name}-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in found.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                archive.write(found.locate_file(file), str(file))
    return path


class Index:
    """Serves ``folder/<index>/*.whl`` as http://127.0.0.1:port/<index>/<package>/; ``asked`` notes {index: packages}."""

    def __init__(self, folder):
        folder, self.asked = Path(folder), defaultdict(set)
        index = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self):
                if self.path.endswith(".whl"):
                    return super().do_GET()
                where, name = self.path.strip("/").split("/")
                index.asked[where].add(name)
                wheels = [
                    wheel.name
                    for wheel in sorted((folder / where).glob("*.whl"))
                    if wheel.name.split("-")[0].replace("_", "-").lower() == name
                ]
                if not wheels:
                    return self.send_error(404)
                links = "".join(f'<a href="/{where}/{wheel}">{wheel}</a>' for wheel in wheels)
                page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
