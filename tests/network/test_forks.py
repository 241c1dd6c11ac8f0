"""Clients in forked processes: each process reads the answers to its own requests, and no other ones."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from candleray import ApiError, Client, Conflict
from candleray.errors import InstanceError
from candleray.network.forks import PerProcess

PROCESSES, REQUESTS = 4, 25


class Echo(BaseHTTPRequestHandler):
    """Answers with the path it was asked for and the connection's number, after the fashion of the API."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "peer": self.client_address[1]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Request-ID", self.headers["X-Request-ID"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def ask(client: Client, number: int, answers: Any) -> None:
    paths = [f"/{number}/{turn}" for turn in range(REQUESTS)]
    told = [json.loads(client.send("GET", path)) for path in paths]
    answers.put(([answer["path"] for answer in told] == paths, {answer["peer"] for answer in told}))


def test_forked_processes_that_share_a_client_get_their_own_answers_on_connections_of_their_own(url):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with Client(url, token="t") as client:
        parents = {json.loads(client.send("GET", "/parent"))["peer"]}
        children = [context.Process(target=ask, args=(client, n, answers)) for n in range(PROCESSES)]
        for child in children:
            child.start()
        told = [answers.get(timeout=60) for _ in children]
        for child in children:
            child.join(60)
        parents.add(json.loads(client.send("GET", "/parent"))["peer"])
    assert all(own for own, _ in told)
    every = [parents, *(peers for _, peers in told)]
    assert len(set().union(*every)) == sum(map(len, every))  # no connection is two processes'


def refused(client: Client, said: Any) -> None:
    try:
        client.send("GET", "/child")
    except InstanceError as error:
        said.put(error.message)


def test_a_transport_that_a_client_was_given_is_not_shared_with_a_fork(url):
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    with Client(url, token="t", transport=httpx.HTTPTransport()) as client:
        client.send("GET", "/parent")
        child = context.Process(target=refused, args=(client, said))
        child.start()
        assert "the transport that this client was given was opened in process" in said.get(timeout=60)
        child.join(60)
        client.send("GET", "/parent")


def test_what_a_fork_leaves_behind_is_not_closed():
    class Connection:
        closed = False

    made = PerProcess(Connection)
    parents = made.get()
    made.leave_to_parent()
    assert made.made() is None
    assert made.get() is not parents
    assert not parents.closed


def answered_with(*request_ids: str) -> Client:
    """A client whose answers bear these ids, its own in place of an empty one."""

    def answer(request: httpx.Request) -> httpx.Response:
        own = request.headers["X-Request-ID"]
        return httpx.Response(200, json={}, headers=[("X-Request-ID", each or own) for each in request_ids])

    return Client("http://api", token="t", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_to_another_clients_request_is_an_error_and_the_client_is_used_no_more(times: int):
    client = answered_with(*[f"sdk-{'0' * 32}"] * times)
    with pytest.raises(ApiError, match="another request's"):
        client.health()
    with pytest.raises(Conflict, match="closed"):
        client.health()


def test_an_id_that_a_gateway_gives_in_place_of_ours_is_no_error():
    answered_with("gateway-1").health()
    answered_with("").health()


def test_an_id_that_a_gateway_names_again_is_no_error():
    answered_with("", "").health()
    answered_with("gateway-1", "").health()
