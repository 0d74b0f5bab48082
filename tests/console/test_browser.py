"""The console in a real browser, on the whole product."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.console.chromium import CTRL, Page
from tests.product import KEY, Process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

IS_CONNECTED = "document.getElementById('state').dataset.state === 'connected'"
IS_WAITING = "document.getElementById('state').dataset.state === 'waiting'"
SHOWN = """JSON.stringify([...document.querySelectorAll('#results .row.result .brief')]
  .map((brief) => brief.textContent).reverse())"""


async def enter_key(page: Page, url: str, key: str = KEY) -> None:
    await page.open(url)
    await page.fill("#key", key)
    await page.click("#key-use")


async def start(page: Page, url: str, processor: str = "identity") -> None:
    """Enter the key, start a stream, and wait until its results are being read."""
    await enter_key(page, url)
    await page.wait_for("!document.getElementById('start-card').hidden")
    await page.fill("#processor", processor)
    await page.click("#start-form button.primary")
    await page.wait_for(IS_CONNECTED)


async def send(page: Page, text: str) -> None:
    await page.fill("#record", text)
    await page.evaluate("document.getElementById('record').focus()")
    await page.press("Enter", CTRL)


async def rows(page: Page, count: int, kind: str = "result") -> None:
    await page.wait_for(f"document.querySelectorAll('#results .row.{kind}').length >= {count}")


async def count(page: Page, selector: str) -> int:
    return int(await page.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length"))


async def test_start_send_watch_and_go_on_by_itself_after_a_restart(
    page: Page, server: Process
) -> None:
    await start(page, server.url, "uppercase")
    await send(page, '"before"')
    await rows(page, 1)

    await server.stop()
    await page.wait_for(IS_WAITING)
    stream = await page.text("#stream-id")
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, headers={"x-api-key": KEY}) as client:
        sent = await client.post(f"/stream/{stream}/send", json={"data": "while it was away"})
    await page.wait_for(IS_CONNECTED, 60)
    await send(page, '"after"')
    await rows(page, 3)

    assert sent.status_code == 202
    assert json.loads(await page.evaluate(SHOWN)) == ['"BEFORE"', '"WHILE IT WAS AWAY"', '"AFTER"']
    assert int(await page.text("#count-reconnect")) >= 1
    assert await page.text("#count-gap") == "0"


async def test_a_server_killed_while_results_flow_leaves_no_hole_and_no_repeat(
    page: Page, server: Process
) -> None:
    await start(page, server.url)
    stream = await page.text("#stream-id")
    lines = "".join(f'{{"data":{n}}}\n' for n in range(1_000))

    async with httpx.AsyncClient(base_url=server.url, headers={"x-api-key": KEY}) as client:
        path, lines_type = f"/stream/{stream}/send", {"content-type": "application/x-ndjson"}
        sent = await client.post(path, content=lines, headers=lines_type)
    await server.kill()
    await page.wait_for(IS_WAITING)
    await server.start()
    await page.click("#retry-now")
    await page.wait_for("document.getElementById('count-result').textContent === '1,000'", 60)
    await page.wait_for(f"{SHOWN}.endsWith('\"999\"]')")

    assert sent.text.count('"record_id"') == 1_000
    assert json.loads(await page.evaluate(SHOWN)) == [str(n) for n in range(500, 1_000)]
    assert await page.text("#count-result") == "1,000"


async def test_a_page_that_is_loaded_again_is_where_it_was(page: Page, server: Process) -> None:
    await start(page, server.url)
    await send(page, "1")
    await rows(page, 1)

    await page.evaluate("window.isOld = true")
    await page.call("Page.reload")
    await page.wait_for(f"!window.isOld && {IS_CONNECTED}")
    await rows(page, 1)

    assert json.loads(await page.evaluate(SHOWN)) == ["1"]


async def test_an_ended_stream_says_so_and_takes_nothing_more(page: Page, server: Process) -> None:
    await start(page, server.url)

    await page.click("#end")
    await page.click("#end-dialog button.danger")
    await page.wait_for("document.getElementById('state').dataset.state === 'ended'")
    await rows(page, 1, "end")

    assert await page.evaluate("document.getElementById('send-form').hidden")
    assert "has ended" in await page.text("#send-why-not")
    assert "has ended" in await page.text("#results .row.end")


async def test_data_and_labels_that_look_like_a_page_stay_text(page: Page, server: Process) -> None:
    attack = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await enter_key(page, server.url)
    await page.wait_for("!document.getElementById('start-card').hidden")
    await page.fill("#processor", "identity")
    await page.fill("#label", attack)
    await page.click("#start-form button.primary")
    await page.wait_for(IS_CONNECTED)

    await send(page, json.dumps({"<b>": attack}))
    await rows(page, 1)
    await page.click("#results summary")
    await page.wait_for("document.querySelector('#results pre')")

    assert await page.text("#stream-label") == attack
    assert json.loads(await page.text("#results pre")) == {"<b>": attack}
    assert await count(page, "main img, main script, main b") == 0
    assert await page.evaluate("document.title") == "Millrace console"


async def test_numbers_are_sent_and_shown_token_for_token(page: Page, server: Process) -> None:
    await start(page, server.url)

    await send(page, "[9007199254740993, 1.0, 1e400]")
    await rows(page, 1)

    assert json.loads(await page.evaluate(SHOWN)) == ["[9007199254740993, 1.0, 1e400]"]


async def test_what_is_no_json_is_kept_back_and_offered_as_a_string(
    page: Page, server: Process
) -> None:
    await start(page, server.url)

    await send(page, "hello, mill")
    refused = await page.text("#record-judged")
    await page.click("#as-text")
    await page.click("#send")
    await rows(page, 1)

    assert "nexpected" in refused
    assert json.loads(await page.evaluate(SHOWN)) == ['"hello, mill"']


async def test_a_failed_result_is_shown_as_failed(page: Page, server: Process) -> None:
    await start(page, server.url, "reject")

    await send(page, '{"level": "error"}')
    await rows(page, 1, "failed")

    assert await page.text("#count-failed") == "1"
    assert await page.text("#count-result") == "0"
    assert "failed" in await page.text("#results .row.failed .kind")


async def test_a_refusal_is_shown_with_what_it_means(page: Page, server: Process) -> None:
    await enter_key(page, server.url)
    await page.wait_for("!document.getElementById('start-card').hidden")
    await page.fill("#processor", "jmespath")
    await page.fill("#parameter", "not [a valid")

    await page.click("#start-form button.primary")
    await page.wait_for("document.querySelector('#start-problem .problem')")
    link = await page.evaluate("document.querySelector('#start-problem a').href")
    await page.open(link)

    assert link == f"{server.url}/problems/invalid-body"
    assert "What to do" in await page.text("main")


async def test_a_wrong_key_is_told_at_its_field_and_kept_nowhere(
    page: Page, server: Process
) -> None:
    await enter_key(page, server.url, "not-the-key")

    await page.wait_for("!document.getElementById('key-error').hidden")

    assert "does not know this key" in await page.text("#key-error")
    assert await page.evaluate("document.activeElement.id") == "key"
    assert await page.evaluate("sessionStorage.length + localStorage.length") == 0


async def test_the_keyboard_is_enough(page: Page, server: Process) -> None:
    await page.open(server.url)
    await page.evaluate("document.getElementById('key').focus()")
    await page.type(KEY)
    await page.press("Enter")
    await page.wait_for("document.activeElement.id === 'processor'")
    for _ in range(3):  # past the label and the time to live, to the button
        await page.press("Tab")
    await page.press("Enter")
    await page.wait_for(f"{IS_CONNECTED} && document.activeElement.id === 'record'")

    for _ in range(2):
        await page.press("Enter", CTRL)
    await rows(page, 2)
    await page.evaluate("document.getElementById('clear').focus()")
    await page.press("Tab")
    await page.press("ArrowDown")
    await page.press("Enter")

    assert await page.evaluate("document.querySelectorAll('#results details')[1].open")
    assert await count(page, "#results summary[tabindex='0']") == 1


async def test_thousands_of_lines_are_all_counted_and_the_list_stays_bounded(
    page: Page, server: Process
) -> None:
    await start(page, server.url)

    await page.click("#mode-lines")
    await page.fill("#record", "\n".join(str(n) for n in range(2_000)))
    await page.click("#send")
    await page.wait_for("document.getElementById('count-result').textContent === '2,000'", 60)
    await page.wait_for(f"{SHOWN}.includes('\"1999\"')")

    assert await count(page, "#results .row") == 500
    assert "2,000 of 2,000 stored" in await page.text("#send-outcome")
    shown = json.loads(await page.evaluate(SHOWN))
    assert shown == [str(n) for n in range(1_500, 2_000)]


async def test_pause_holds_the_list_and_the_reading_goes_on(page: Page, server: Process) -> None:
    await start(page, server.url)

    await page.click("#pause")
    await send(page, "1")
    await page.wait_for("document.getElementById('pause').textContent.includes('1 waiting')")
    held = json.loads(await page.evaluate(SHOWN))
    await page.click("#pause")
    await rows(page, 1)

    assert held == []
    assert await page.text("#count-result") == "1"


async def test_a_stream_of_the_key_can_be_opened_again(page: Page, server: Process) -> None:
    await start(page, server.url)
    stream = await page.text("#stream-id")
    await send(page, '"kept"')
    await rows(page, 1)

    await page.click("#close")
    await page.wait_for(f"document.getElementById('streams').textContent.includes('{stream}')")
    await page.evaluate(
        f"""[...document.querySelectorAll('#streams button')]
          .find((button) => button.textContent.includes('{stream}')).click()"""
    )
    await rows(page, 1)

    assert await page.text("#stream-id") == stream


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/problems/outcome-unknown"])
async def test_a_page_fits_a_narrow_screen(page: Page, server: Process, path: str) -> None:
    await page.resize(360, 740)

    await page.open(server.url + path)
    if path == "/docs":
        await page.wait_for("document.querySelector('article')")
        await page.evaluate(
            "for (const one of document.querySelectorAll('details')) one.open = true"
        )

    root = "document.documentElement"
    assert await page.evaluate(f"{root}.clientWidth <= 360")
    assert await page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


async def test_the_docs_show_every_route_of_the_schema(page: Page, server: Process) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        schema = (await client.get("/schema")).json()
    routes = {
        f"{method.upper()} {path}"
        for path, item in schema["paths"].items()
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}
    }

    await page.open(f"{server.url}/docs")
    await page.wait_for("document.querySelector('article')")
    shown = await page.evaluate(
        """JSON.stringify([...document.querySelectorAll('article h3')]
          .map((title) => title.textContent.replace(/\\s+/g, ' ').trim()))"""
    )

    assert set(json.loads(shown)) == routes
    assert len(routes) >= 6


async def test_every_page_comes_with_its_policy(server: Process) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        answers = [
            await client.get(path)
            for path in ("/", "/docs", "/problems", "/problems/forbidden", "/console/console.js")
        ]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
