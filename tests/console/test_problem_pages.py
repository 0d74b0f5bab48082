from __future__ import annotations

import pytest

from streaming_runtime.console.guidance import GUIDANCE
from streaming_runtime.console.pages import problem_page, problems_index
from streaming_runtime.core.errors import StreamingError, every_error
from tests.console.markup import elements

ERRORS: list[type[StreamingError]] = [*every_error(), StreamingError]


def page_of(error: type[StreamingError], status: int) -> bytes:
    page = problem_page(error.code, status)
    assert page is not None
    return page


def text_of(page: bytes) -> str:
    return next(e for e in elements(page) if e.tag == "main").text


def test_exactly_the_codes_that_exist_have_guidance() -> None:
    assert set(GUIDANCE) == {error.code for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_code_has_a_page_that_says_what_it_means_and_what_to_do(
    error: type[StreamingError],
) -> None:
    text = text_of(page_of(error, 418))

    assert error.title in text
    assert error.code in text
    for heading in ("What it means", "What to do", "Does trying again help?"):
        assert heading in text
    assert all(GUIDANCE[error.code].means) and all(GUIDANCE[error.code].act)
    assert len(text) > 250


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_the_advice_about_trying_again_agrees_with_retriable(error: type[StreamingError]) -> None:
    again = GUIDANCE[error.code].again

    assert again.startswith("Yes" if error.retriable else ("No", "Perhaps"))
    assert ("retriable" in text_of(page_of(error, 400))) == error.retriable


def test_the_status_is_the_one_of_the_caller_in_the_words_of_rfc_9110() -> None:
    assert "413 Content Too Large" in text_of(problem_page("record-too-large", 413) or b"")
    assert "503 Service Unavailable" in text_of(problem_page("overloaded", 503) or b"")
    assert "500 Internal Server Error" in text_of(problem_page("internal", 0) or b"")


def test_a_problem_that_is_no_answer_of_http_says_where_it_stands() -> None:
    text = text_of(problem_page("processing-failed", 500) or b"")

    assert "in a failed result" in text
    assert "500" not in text


@pytest.mark.parametrize("code", ["", "nothing", "../docs", "<script>", "Invalid-Body"])
def test_an_unknown_code_has_no_page(code: str) -> None:
    assert problem_page(code, 404) is None


def test_the_list_leads_to_every_page() -> None:
    found = elements(problems_index({"rate-limited": 429}))
    links = {e["href"] for e in found if e.tag == "a"}

    assert {f"/problems/{error.code}" for error in ERRORS} <= links
    assert "429 Too Many Requests" in text_of(problems_index({"rate-limited": 429}))


def test_guidance_closes_its_code() -> None:
    for code, guidance in GUIDANCE.items():
        for text in (*guidance.means, *guidance.act, guidance.again):
            assert text.count("`") % 2 == 0, f"{code}: {text}"
