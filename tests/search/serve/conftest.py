import contextlib
import threading
import time

import pytest
from search_stand_in import StandIn, record
from starlette.testclient import TestClient
from video_files import numbered_video

from search.serve.app import create_app
from search.serve.serve_settings import ServeSettings

ODD_ID = "korpus/öl & wein #1/../ß?.mp4"
"""An id that is no path, and that would come out otherwise as part of one."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three small videos."""
    folder = tmp_path_factory.mktemp("videos")
    return [numbered_video(folder / f"{n}.mp4", 20 + 5 * n, fps=10) for n in range(3)]


@pytest.fixture
def retriever(videos):
    first, second, third = videos
    return StandIn(
        [
            record("first", first, "the child wants water", duration=2.0, signer="anna", split="a"),
            record(ODD_ID, second, "my friend buys bread", duration=2.5, signer="ben", split="a"),
            record("third", third, "the child buys a book", duration=3.0, signer="ben", split="b"),
        ]
    )


@pytest.fixture
def make_client(tmp_path):
    """Makes clients of servers with other limits; addresses of other hosts are not reached."""

    def make(retriever, *, base_url="http://localhost", **limits):
        limits.setdefault("preview_folder", tmp_path / "previews")
        app = create_app(retriever, ServeSettings(**limits))
        return TestClient(app, base_url=base_url, raise_server_exceptions=False)

    return make


@pytest.fixture
def client(make_client, retriever):
    return make_client(retriever)


@pytest.fixture
def start_server(tmp_path):
    """Starts real servers on free ports of loopback; returns their port."""
    from search.serve.server import _listening, make_server

    with contextlib.ExitStack() as running:

        def start(retriever, **limits):
            limits.setdefault("preview_folder", tmp_path / "previews")
            settings = ServeSettings(port=0, **limits)
            listener = running.enter_context(_listening(settings))
            server = make_server(create_app(retriever, settings), settings)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()

            def stop():
                server.should_exit = True
                thread.join(20)

            running.callback(stop)
            while not server.started:
                time.sleep(0.01)
            return listener.getsockname()[1]

        yield start
