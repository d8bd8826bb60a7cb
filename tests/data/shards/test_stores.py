"""Shards in an object store, which is a process on this machine."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from lossy_lightning.codecs import VQ
from lossy_lightning.data import Digits, ShardedCodes, write_shards
from lossy_lightning.data.shards import _store

pytest.importorskip("litdata")
Config = pytest.importorskip("botocore.config").Config


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Data of the digits, and their shards in a folder."""
    root = tmp_path_factory.mktemp("digits")
    data = Digits(VQ((2, 2), 16), cache_dir=root / "cache")
    write_shards(data, root / "shards", chunk_bytes=2500)
    return data, root / "shards"


@pytest.fixture
def _keys(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(_store, "_WAIT", 0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("_keys")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_written_to_and_read_from_s3(digits, tmp_path):
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        options = {"endpoint_url": f"http://127.0.0.1:{server.get_host_and_port()[1]}"}
        import boto3

        boto3.client("s3", **options).create_bucket(Bucket="bucket")
        data, folder = digits
        written = write_shards(data, "s3://bucket/digits", 2500, options)
        assert written == write_shards(data, "s3://bucket/digits", 2500, options)
        far = ShardedCodes("s3://bucket/digits", cache_dir=tmp_path, storage_options=options, max_cache_bytes=9000)
        near = ShardedCodes(folder)
        torch.manual_seed(0)
        expected = list(near.train_dataloader())
        torch.manual_seed(0)
        for one, other in zip(far.train_dataloader(), expected, strict=True):
            assert all(map(torch.equal, one, other))
        assert 0 < sum(path.stat().st_size for path in tmp_path.rglob("*.bin")) <= 9000
        with pytest.raises(FileNotFoundError, match="there are no shards at s3://bucket/none"):
            ShardedCodes("s3://bucket/none", storage_options=options)
    finally:
        server.stop()


class Faulty(BaseHTTPRequestHandler):
    """Serves a folder as a bucket; the server's ``faults`` say what goes wrong with the next requests for chunks."""

    def do_GET(self):
        path = self.server.folder / self.path.partition("?")[0].removeprefix("/bucket/digits/")
        fault = self.server.faults.pop(0) if path.suffix == ".bin" and self.server.faults else ""
        if fault == "slow":
            time.sleep(0.3)
        if not path.is_file() or fault in ("busy", "denied"):
            self.send_error({"busy": 503, "denied": 403}.get(fault, 404))
            return
        content = path.read_bytes()
        if "Range" in self.headers:
            start, stop = self.headers["Range"].removeprefix("bytes=").split("-")
            content = content[int(start) : int(stop) + 1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET" and fault != "slow":
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def faulty(digits, _keys):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.folder, server.faults = digits[1], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def opened(server, cache_dir, **config):
    options = {"endpoint_url": f"http://127.0.0.1:{server.server_address[1]}"}
    if config:
        options["config"] = Config(retries={"total_max_attempts": 1}, **config)
    return ShardedCodes("s3://bucket/digits", cache_dir=cache_dir, storage_options=options)


def test_what_fails_in_mid_stream_is_tried_again(faulty, digits, tmp_path):
    data = opened(faulty, tmp_path)
    faulty.faults += ["cut", "busy", "cut"]
    seen = torch.cat([code for code, _ in data.test_dataloader()])
    assert not faulty.faults
    assert "endpoint_url" not in str(data.state_dict())  # nor keys, if there are some
    assert torch.equal(seen, torch.cat([code for code, _ in ShardedCodes(digits[1]).test_dataloader()]))


def test_what_fails_for_good_is_told_in_one_sentence(faulty, tmp_path):
    data = opened(faulty, tmp_path)
    faulty.faults += ["busy"] * 99
    with pytest.raises(
        ValueError, match=r"^s3://bucket/digits/test/chunk-0-0.bin cannot be read, tried 5 times in"
    ) as told:
        next(iter(data.test_dataloader()))
    assert "\n" not in str(told.value)
    faulty.faults.clear()
    assert len(next(iter(data.test_dataloader()))[0]) == 64  # the network is back


def test_what_answers_slowly_is_tried_again_and_then_told(faulty, digits, tmp_path):
    data = opened(faulty, tmp_path, read_timeout=0.1)
    faulty.faults += ["slow"]
    seen = torch.cat([code for code, _ in data.test_dataloader()])
    assert torch.equal(seen, torch.cat([code for code, _ in ShardedCodes(digits[1]).test_dataloader()]))
    faulty.faults += ["slow"] * 99
    with pytest.raises(
        ValueError, match=r"chunk-0-0.bin cannot be read, tried 5 times in .*Timeout.*; check the network"
    ):
        next(iter(opened(faulty, tmp_path / "new", read_timeout=0.1).test_dataloader()))
    faulty.faults.clear()


def test_what_is_refused_is_told_at_once(faulty, tmp_path):
    faulty.faults += ["denied"]
    with pytest.raises(ValueError, match=r"chunk-0-0.bin cannot be read \(.*403.*\); check the access rights"):
        next(iter(opened(faulty, tmp_path).test_dataloader()))
    assert not faulty.faults


def test_a_store_that_does_not_answer_is_told(faulty, tmp_path):
    faulty.shutdown()
    faulty.server_close()
    with pytest.raises(ValueError, match=r"s3://bucket/digits/codes.json cannot be read, tried 5 times"):
        opened(faulty, tmp_path)
