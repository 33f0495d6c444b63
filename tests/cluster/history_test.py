"""The model itself: each rule accepts a good history and rejects one that breaks it and nothing else."""

import dataclasses
import pathlib
import tempfile
import unittest

from history import Answer, Call, Claims, History, Occasion, Terms, Token, check, figures, next_call

TERMS = Terms("rotating", lifetime=10, overlap=6, refresh_ahead=4, use_slack=1)


def answer(asked, revision, *, client="c1", node="n1", expires_in=4, token=None, took=0.01, **more):
    return Answer(client, node, "wx", asked, asked + took, 200, revision, token or f"t{revision}",
                  expires_in=expires_in, **more)


def good():
    """Two renewals, each six seconds after the one before; the displaced token lives six seconds longer."""
    history = History(TERMS)
    history.calls = [Call("wx", at, at + 0.1, f"t{number}") for number, at in ((1, 0), (2, 6.2), (3, 12.4))]
    history.tokens = [Token("wx", "t1", 0, 10), Token("wx", "t2", 6.2, 16.2), Token("wx", "t3", 12.4, 22.4)]
    history.answers = [answer(1, 1), answer(2, 1, client="c2", node="n2"), answer(7, 2, expires_in=9),
                       answer(7.5, 1, client="c2", node="n2", expires_in=1),  # Half a second behind.
                       answer(9, 2, client="c2", node="n2", expires_in=7), answer(13, 3)]
    history.until = 14
    return history


class Model(unittest.TestCase):
    def broken(self, history, claims=Claims()):
        return {line.split(":")[0] for line in check(history, claims)}

    def test_a_good_history_is_good(self):
        self.assertEqual(check(good()), [])

    def test_an_empty_history_is_good(self):
        self.assertEqual(check(History(TERMS)), [])

    # a

    def test_two_calls_at_once_are_an_overlap(self):
        history = good()
        history.calls[1] = dataclasses.replace(history.calls[1], ended=12.5)
        self.assertEqual(self.broken(history), {"overlap"})

    def test_calls_of_two_apps_may_overlap(self):
        history = good()
        history.calls.append(Call("other", 6.25, 6.3, "o1"))
        history.tokens.append(Token("other", "o1", 6.25, 16.25))
        self.assertEqual(check(history), [])

    # b

    def test_a_call_before_the_token_is_stale_is_superfluous(self):
        history = good()
        history.calls.insert(1, Call("wx", 3, 3.1, "t1b"))
        history.calls[2] = dataclasses.replace(history.calls[2], began=9.2, ended=9.3)
        history.tokens.append(Token("wx", "t1b", 3, 13))
        history.calls.pop()
        history.answers.pop()
        history.until = 10
        self.assertEqual(self.broken(history), {"superfluous"})
        self.assertEqual(self.broken(history, Claims(extra_calls=1)), set())

    def test_two_calls_for_one_occasion_are_one_too_many(self):
        history = good()
        history.calls.insert(2, Call("wx", 6.4, 6.5, "t2b"))
        self.assertIn("superfluous", self.broken(history))

    def test_a_refresh_is_an_occasion_for_one_call(self):
        history = good()
        history.calls = history.calls[:1] + [Call("wx", 3, 3.1, "t2"), Call("wx", 9.2, 9.3, "t3")]
        history.occasions = [Occasion("wx", 2.9, "refresh")]
        history.answers, history.until = [], 10
        self.assertEqual(check(history), [])
        history.calls.append(Call("wx", 9.6, 9.7, "t4"))
        self.assertEqual(self.broken(history), {"superfluous"})

    def test_a_refresh_without_a_call_is_missed(self):
        history = good()
        history.occasions = [Occasion("wx", 7, "refresh")]
        history.calls.pop()
        history.until = 12
        history.answers.pop()
        self.assertEqual(self.broken(history), {"superfluous"})

    def test_a_stale_token_that_is_not_renewed_is_missed(self):
        history = good()
        history.calls.pop()
        history.answers.pop()
        history.until = 20
        self.assertEqual(self.broken(history), {"superfluous"})
        self.assertEqual(check(history, Claims(punctual=False)), [])

    def test_a_call_that_brought_nothing_does_not_make_the_next_one_superfluous(self):
        history = good()
        history.calls.insert(1, Call("wx", 6.0, 6.1, "", "refused"))
        self.assertEqual(check(history), [])

    # c

    def test_a_promise_beyond_the_tokens_death_is_broken(self):
        history = good()
        history.answers.append(answer(8, 2, expires_in=9))
        self.assertEqual(self.broken(history), {"promise"})
        self.assertEqual(check(history, Claims(excused=((7.9, 8.1),))), [])
        self.assertEqual(self.broken(history, Claims(excused=((8.1, 9),))), {"promise"})

    def test_a_displaced_token_is_judged_by_its_real_end(self):
        history = good()
        history.tokens[0] = dataclasses.replace(history.tokens[0], dies=4.9)
        self.assertEqual(self.broken(history, Claims(without=frozenset({"dead"}))), {"promise"})

    def test_an_operators_refresh_shortens_a_promise_to_the_overlap_and_no_further(self):
        history = good()
        history.calls = [Call("wx", 0, 0.1, "t1"), Call("wx", 1.6, 1.7, "t2")]
        history.tokens = [Token("wx", "t1", 0, 7.6), Token("wx", "t2", 1.6, 11.6)]
        history.answers, history.until = [answer(1, 1, expires_in=8), answer(2, 2, expires_in=9)], 7
        self.assertEqual(self.broken(history), {"promise", "superfluous"})
        history.occasions = [Occasion("wx", 1.5, "refresh")]
        self.assertEqual(check(history), [])
        history.tokens[0] = dataclasses.replace(history.tokens[0], dies=6)
        self.assertEqual(self.broken(history), {"promise"})

    def test_what_the_test_revoked_breaks_no_promise(self):
        history = good()
        history.tokens[0] = dataclasses.replace(history.tokens[0], dies=1.5, revoked=True)
        self.assertEqual(check(history), [])

    def test_a_suspect_token_is_promised_by_nobody(self):
        history = good()
        history.answers.append(answer(15, 3, expires_in=8, suspect=True))
        self.assertEqual(check(history), [])

    def test_a_token_of_nobodys_making_is_no_token(self):
        history = good()
        history.answers.append(answer(13.5, 3, token="forged", node="n9"))
        self.assertEqual(self.broken(history), {"promise", "conflicting"})

    # d

    def test_one_node_never_answers_one_client_an_older_revision(self):
        history = good()
        history.answers.append(answer(7.3, 1, expires_in=1))
        self.assertEqual(self.broken(history), {"backward"})

    def test_the_same_client_may_find_another_node_half_a_second_behind(self):
        history = good()
        history.answers.append(answer(7.3, 1, node="n2", expires_in=1))
        self.assertEqual(check(history), [])

    def test_answers_that_crossed_are_in_no_order(self):
        history = good()
        history.answers.append(answer(6.99, 2, client="c9", took=0.5, expires_in=5))
        history.answers.append(answer(7.1, 1, client="c9", expires_in=1))
        self.assertEqual(check(history), [])

    # e

    def test_a_node_that_is_two_seconds_behind_is_found(self):
        history = good()
        history.answers.append(answer(9.1, 1, client="c3", node="n3", expires_in=0))
        self.assertEqual(self.broken(history), {"behind"})
        self.assertEqual(check(history, Claims(apart=(("n3", 8, 10),))), [])
        self.assertEqual(self.broken(history, Claims(apart=(("n1", 8, 10), ("n3", 9.2, 10)))), {"behind"})

    def test_being_behind_is_counted_from_the_earliest_newer_answer(self):
        history = good()
        history.answers.append(answer(13.9, 1, client="c3", node="n3", expires_in=0, token="t1"))
        history.tokens[0] = dataclasses.replace(history.tokens[0], dies=15)
        self.assertEqual(self.broken(history), {"behind"})
        self.assertEqual(figures(history)["behind_max_ms"], 6890)

    # f

    def test_a_token_handed_out_after_its_end_is_dead(self):
        history = good()
        history.answers.append(answer(10.1, 1, client="c3", node="n3", expires_in=-1))
        self.assertEqual(self.broken(history, Claims(without=frozenset({"behind"}))), {"dead"})

    def test_a_suspect_token_is_handed_out_a_second_after_its_end_at_most(self):
        history = good()
        history.answers.append(answer(10.9, 1, client="c3", node="n3", expires_in=1, suspect=True))
        self.assertEqual(check(history, Claims(without=frozenset({"behind"}))), [])
        history.answers.append(answer(11.1, 1, client="c3", node="n3", expires_in=1, suspect=True))
        self.assertEqual(self.broken(history, Claims(without=frozenset({"behind"}))), {"dead"})

    # g

    def test_one_revision_is_one_token(self):
        history = good()
        history.tokens.append(Token("wx", "t2b", 6.3, 16.3))
        history.answers.append(answer(8, 2, client="c4", token="t2b"))
        self.assertEqual(self.broken(history), {"conflicting"})

    # around the rules

    def test_a_windowed_token_is_stale_in_its_window(self):
        early, late = Terms("windowed", lifetime=10, overlap=6, use_slack=1).stale(0)
        self.assertAlmostEqual(early, 4.0)
        self.assertAlmostEqual(late, 5.0)

    def test_figures_count_what_happened(self):
        history = good()
        history.answers.append(Answer("c1", "n1", "wx", 13.2, 13.3, 0, problem="reset"))
        told = figures(history)
        self.assertEqual((told["calls"], told["overlaps"], told["superfluous"], told["late"]), (3, 0, 0, 0))
        self.assertEqual(told["behind_max_ms"], 490)
        self.assertEqual(told["statuses"], {"200": 6, "reset": 1})

    def test_the_next_call_after_a_moment(self):
        self.assertEqual(next_call(good(), "wx", 6.2).token, "t3")
        self.assertIsNone(next_call(good(), "wx", 13))

    def test_a_history_is_the_same_after_it_was_written_down(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "history"
            history = good()
            history.answers.append(answer(8, 2, expires_in=9))
            history.occasions.append(Occasion("wx", 3, "refresh"))
            history.save(path)
            self.assertEqual(check(History.load(path)), check(history))


if __name__ == "__main__":
    unittest.main()
