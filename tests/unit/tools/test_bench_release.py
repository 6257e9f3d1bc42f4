# SPDX-License-Identifier: Apache-2.0
"""What a client has seen becomes the numbers of docs/performance.md."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from support.visitor import Answer

from tools import bench_release
from tools.bench_release import BEGIN, END, Switch, Target, judged, page, report

ANSWERS = [
    Answer(0.0, 1.0, "one"),
    Answer(2.5, 3.5, "one"),  # in flight at the command
    Answer(4.0, 5.0, "one"),  # taken by the former release after the first new answer
    Answer(4.2, 4.3, "two"),
    Answer(5.0, 35.0, "", "TimeoutError: "),
    Answer(6.0, 7.5, "two"),
]


def test_the_numbers_of_a_switch() -> None:
    found = judged("rolling: switch", ANSWERS, 3.0, 2.5, "two")
    assert (found.requests, found.lost, found.command) == (6, 1, 2.5)
    assert found.first == pytest.approx(1.3)
    assert found.both == 0.0, "the last request of the former one had begun before"
    assert found.gap == pytest.approx(2.5)
    assert found.slowest == pytest.approx(0.5)
    assert found.problems == ("TimeoutError: ",)


def test_how_long_both_answer() -> None:
    later = [*ANSWERS, Answer(6.3, 6.4, "one")]
    assert judged("rolling: switch", later, 3.0, 2.5, "two").both == pytest.approx(2.0)


def test_a_switch_that_never_comes_is_no_number() -> None:
    with pytest.raises(ValueError, match="the other release never answered"):
        judged("rolling: switch", ANSWERS[:3], 3.0, 2.5, "two")


def test_a_row_for_each_case_with_the_worst() -> None:
    switches = [
        Switch(case, 1000, number, 2.0, 0.5, 0.1 * number, 0.1 + number / 10, 0.0)
        for case in bench_release.NAMES
        for number in (0, 1, 2)
    ]
    text = report(switches, 3, "Apache 2.4.71", dt.date(2026, 11, 30))
    assert "Measured on 2026-11-30, 3 rounds, " in text
    assert "Apache 2.4.71." in text
    assert (
        "| **ours**, `rolling`: back | 3 of 3,000 | 0.20 s (worst 0.30) | 0.5 s | 0.1 s | 2.0 s |" in text.splitlines()
    )


def test_the_table_stands_between_its_marks() -> None:
    before = f"# Page\n\n{BEGIN}\nold\n{END}\nrest\n"
    assert page(before, "new") == f"# Page\n\n{BEGIN}\n\nnew\n\n{END}\nrest\n"
    with pytest.raises(ValueError, match="lacks the marks"):
        page("# Page\n", "new")
    assert BEGIN in (bench_release.ROOT / bench_release.PAGE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_client_sees_the_switch_of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a server of the test's own, which loses one request."""
    for name, seconds in (("BEFORE", 0.3), ("AFTER", 0.3), ("SLOW", 0.0)):
        monkeypatch.setattr(bench_release, name, seconds)
    version = tmp_path / "version"
    version.write_text("one")
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        status = b"500 No" if len(seen) == 3 else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n" + version.read_bytes())
        writer.close()

    async def measured() -> Switch:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1], "shop.example")
        async with server:
            return await asyncio.to_thread(bench_release.under_load, "rolling: switch", target, switch, "two")

    def switch() -> None:
        version.write_text("two")

    found = asyncio.run(measured())
    assert (found.lost, found.problems) == (1, ("HTTP/1.1 500 No one",))
    assert found.requests == len(seen)
    assert found.both == 0.0
    assert {request.split()[1] for request in seen} == {b"/", b"/slow"}
