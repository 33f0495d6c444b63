"""What was seen, and a small model that judges it.

A history has two witnesses. The *clients* wrote down what they were answered, and when they asked; the *platform*
(`hufu sim`) remembers every token and every call for one. Both are on one line of time: this process's `time.monotonic()`.
Neither knows anything of Hufu's insides, so the model is all that connects them:

  a  overlap      no two calls for a token of one app were in flight at once
  b  superfluous  every call had an occasion of its own, and every occasion got its call
  c  promise      a token answered with `expires_in: N` was alive at the platform for the next N seconds; if an operator
                  chose to refresh meanwhile, until that overlap's end less the use slack
  d  backward     what one client is answered by one node never goes back to an older revision
  e  behind       one second after a revision was answered by some node, no node answers an older one
  f  dead         no token is handed out after its end; one that is called suspect, no later than a node may be behind
  g  conflicting  one revision of one app is one token

A client that goes from node to node may so be set back, but for one second at most (d and e).

Each rule takes the reading that is kinder to Hufu where the witnesses leave room (an answer was made at some moment
between question and answer), so what it finds is a fault and never a slow machine. Times are in seconds.

    python3 tests/cluster/history.py FILE    judges a history that was written down (HUFU_CLUSTER_KEEP=DIR)
"""

import bisect
import collections
import dataclasses
import json
import sys


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one client was told. `status` 0: no answer came; `problem` says what came instead."""

    client: str
    node: str
    app: str
    asked: float
    answered: float
    status: int
    revision: int = 0
    token: str = ""
    fingerprint: str = ""
    expires_in: int = 0
    expires_at: str = ""
    suspect: bool = False
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Token:
    """A token's life at the platform. `revoked`: the test itself ended it."""

    app: str
    value: str
    made: float
    dies: float
    revoked: bool = False


@dataclasses.dataclass(frozen=True)
class Call:
    """One call for a token: `token` is what it was answered, if it was."""

    app: str
    began: float
    ended: float
    token: str = ""
    outcome: str = "made"


@dataclasses.dataclass(frozen=True)
class Occasion:
    """A reason for one more call than the lives of tokens give: an operator's refresh, a revocation that was told."""

    app: str
    at: float
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Terms:
    """When a token becomes stale by itself: the settings of the platform and of Hufu.

    Rotating: `refresh_ahead` before its end, not in the first half of its life. Windowed: at the beginning of the platform's
    window; or, if the one that it displaced was still promised, when that promise is over.
    """

    shape: str = "rotating"  # or "windowed"
    lifetime: float = 10.0
    overlap: float = 6.0
    refresh_ahead: float = 4.0
    use_slack: float = 1.0

    def stale(self, obtained):
        """The earliest and the latest moment at which a token that was asked for at `obtained` is renewed by choice."""
        end = obtained + self.lifetime
        if self.shape == "rotating":
            floor = max(self.lifetime / 2, self.overlap)
            early, late = (obtained + floor, end - self.refresh_ahead), (obtained + floor, end - 0.9 * self.refresh_ahead)
        else:
            early, late = (end - self.overlap,), (end - 0.9 * self.overlap, obtained + self.overlap - self.use_slack)
        return tuple(min(max(moments), end - self.use_slack - 1) for moments in (early, late))


@dataclasses.dataclass(frozen=True)
class Claims:
    """What is claimed of a history. Without arguments: everything, as on a day without faults."""

    #: Rules that are not claimed at all ("overlap", "behind", …).
    without: frozenset = frozenset()
    #: Calls beyond the occasions that are allowed in all: one for each call whose answer a fault took.
    extra_calls: int = 0
    #: Whether every occasion must have got its call (not where the platform or the store was out of reach).
    punctual: bool = True
    #: How far a node may be behind another.
    behind: float = 1.0
    #: (node, from, until): a node ("": any) that may be behind in that span: it is cut off, and serves what it knows.
    apart: tuple = ()
    #: (from, until): promises asked for in that span may break: a holder that stood still longer than its lease called
    #: late, which nobody can undo.
    excused: tuple = ()
    #: What the witnesses' clocks and the way to the platform may add or take.
    tolerance: float = 0.005
    #: A renewal is planned from when its call was made, which may be as much as the request's timeout before the platform
    #: saw it, and done when a busy machine gets to it.
    early: float = 1.0
    late: float = 3.0


class History:
    def __init__(self, terms=Terms()):
        self.terms = terms
        self.answers, self.tokens, self.calls, self.occasions = [], [], [], []
        self.until = None  # Up to when the witnesses looked; None: up to the last thing they saw.

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps({"terms": dataclasses.asdict(self.terms), "until": self.until}) + "\n")
            for kind in ("answers", "tokens", "calls", "occasions"):
                for each in getattr(self, kind):
                    file.write(json.dumps({kind: dataclasses.asdict(each)}) + "\n")

    @classmethod
    def load(cls, path):
        kinds = {"answers": Answer, "tokens": Token, "calls": Call, "occasions": Occasion}
        with open(path, encoding="utf-8") as file:
            head = json.loads(file.readline())
            history = cls(Terms(**head["terms"]))
            history.until = head["until"]
            for line in file:
                (kind, fields), = json.loads(line).items()
                getattr(history, kind).append(kinds[kind](**fields))
        return history

    @property
    def good(self):
        """The answers that brought a token, in the order in which they were asked for."""
        return sorted((answer for answer in self.answers if answer.status == 200), key=lambda answer: answer.asked)

    def of_app(self, things):
        apps = collections.defaultdict(list)
        for thing in things:
            apps[thing.app].append(thing)
        return apps


def check(history, claims=Claims()):
    """All that contradicts the claims: a list of lines that begin with the rule's name. Empty: the history is good."""
    found = []
    for rule in RULES:
        name = rule.__name__.strip("_").replace("_", "-")
        if name not in claims.without:
            found += [f"{name}: {text}" for text in rule(history, claims)]
    return found


# ---- the rules


def overlap(history, claims):
    for app, calls in history.of_app(history.calls).items():
        calls.sort(key=lambda call: call.began)
        for earlier, later in zip(calls, calls[1:]):
            if earlier.ended > later.began + claims.tolerance:
                yield f"{app}: a call from {earlier.began:.3f} to {earlier.ended:.3f}, another from {later.began:.3f}"


def superfluous(history, claims):
    count, missed = occasions_and_calls(history, claims)
    if len(count) > claims.extra_calls:
        yield f"{len(count)} calls had no occasion, {claims.extra_calls} allowed: {'; '.join(count[:5])}"
    if claims.punctual:
        yield from missed


def occasions_and_calls(history, claims):
    """Pairs them. Returns (the calls that had no occasion, the occasions that got no call), in words."""
    without, missed = [], []
    until = end_of(history)
    asked_for = history.of_app(history.occasions)
    for app, calls in history.of_app(history.calls).items():
        calls.sort(key=lambda call: call.began)
        extra = sorted(asked_for.pop(app, []), key=lambda occasion: occasion.at)
        due, overdue = float("-inf"), None  # The first call needs no reason.
        for call in calls:
            if extra and extra[0].at <= call.began + claims.tolerance:
                extra.pop(0)
            elif call.began < due - claims.early:
                without.append(f"{app} at {call.began:.3f}, {due - call.began:.3f} s before it was due")
                if not call.token:
                    continue
            elif overdue is not None and call.began > overdue + claims.late:
                missed.append(f"{app}: renewed {call.began - overdue:.3f} s late, at {call.began:.3f}")
            if call.token:
                due, overdue = history.terms.stale(call.began)
        missed += [f"{app}: no call for what happened at {each.at:.3f} ({each.why})" for each in extra
                   if each.at + claims.late < until]
        if overdue is not None and overdue + claims.late < until:
            missed.append(f"{app}: stale since {overdue:.3f}, never renewed")
    for app, extra in asked_for.items():
        missed += [f"{app}: no call for what happened at {each.at:.3f} ({each.why})" for each in extra]
    return without, missed


def promise(history, claims):
    lives = {token.value: token for token in history.tokens}
    for answer in history.good:
        token = lives.get(answer.token)
        if token is None:
            yield f"{answer.client} was answered a token that the platform never made"
        elif token.revoked or answer.suspect or any(since <= answer.asked <= until for since, until in claims.excused):
            continue
        else:
            end = min(answer.asked + answer.expires_in, refreshed(history, claims, answer))
            if end > token.dies + claims.tolerance:
                yield (f"{answer.client} at {answer.node}, {answer.asked:.3f}: revision {answer.revision} of "
                       f"{answer.app} was promised for {answer.expires_in} s, lived {token.dies - answer.asked:.3f} s")


def refreshed(history, claims, answer):
    """Up to when a promise holds although an operator chose to refresh: the slack before the end of the overlap."""
    return min((occasion.at + history.terms.overlap - history.terms.use_slack for occasion in history.occasions
                if occasion.app == answer.app and answer.asked <= occasion.at + claims.behind
                and occasion.at <= answer.asked + answer.expires_in), default=float("inf"))


def backward(history, _):
    latest = {}
    for answer in history.good:
        pair = (answer.client, answer.node, answer.app)
        before = latest.get(pair)
        if before and answer.revision < before.revision and answer.asked >= before.answered:
            yield (f"{answer.client} at {answer.node}: revision {before.revision} of {answer.app} at "
                   f"{before.answered:.3f}, then {answer.revision} at {answer.asked:.3f}")
        if not before or answer.revision >= before.revision:
            latest[pair] = answer


def behind(history, claims):
    for answer, seconds in lags(history):
        if seconds > claims.behind + claims.tolerance:
            if not any(node in ("", answer.node) and since <= answer.asked <= until
                       for node, since, until in claims.apart):
                yield (f"{answer.node} answered revision {answer.revision} of {answer.app} at {answer.asked:.3f}, "
                       f"{seconds:.3f} s after a newer one had been answered")


def dead(history, claims):
    lives = {token.value: token for token in history.tokens}
    for answer in history.good:
        token = lives.get(answer.token)
        # One in doubt is called that; whether it lives, a node that is not behind knows.
        doubt = claims.behind if answer.suspect else 0
        if token and not token.revoked and answer.asked > token.dies + doubt + claims.tolerance:
            yield (f"{answer.client} at {answer.node}: revision {answer.revision} of {answer.app} handed out "
                   f"{answer.asked - token.dies:.3f} s after its end")


def conflicting(history, _):
    tokens = {}
    for answer in history.good:
        token = tokens.setdefault((answer.app, answer.revision), answer.token)
        if token != answer.token:
            yield f"revision {answer.revision} of {answer.app} is two tokens, one of them at {answer.node}"


RULES = (overlap, superfluous, promise, backward, behind, dead, conflicting)


# ---- figures


def end_of(history):
    if history.until is not None:
        return history.until
    return max([answer.answered for answer in history.answers] + [call.ended for call in history.calls], default=0.0)


def lags(history):
    """For each answer that was old: (it, how long a newer revision had been answered when it was asked for)."""
    for _, answers in history.of_app(history.good).items():
        first = {}
        for answer in answers:
            first[answer.revision] = min(first.get(answer.revision, answer.answered), answer.answered)
        # The moment from which on some revision above the given one was known: a minimum over all above.
        revisions = sorted(first)
        newer, soonest = {}, float("inf")
        for revision in reversed(revisions):
            newer[revision] = soonest
            soonest = min(soonest, first[revision])
        for answer in answers:
            if answer.asked > newer[answer.revision]:
                yield answer, answer.asked - newer[answer.revision]


def figures(history, claims=Claims()):
    """What a report wants to say of a history."""
    without, missed = occasions_and_calls(history, claims)
    lag = sorted(seconds for _, seconds in lags(history))
    statuses = collections.Counter(answer.status or answer.problem for answer in history.answers)
    return {
        "answers": len(history.answers),
        "statuses": {str(status): count for status, count in statuses.most_common()},
        "calls": len(history.calls),
        "overlaps": len(list(overlap(history, claims))),
        "superfluous": len(without),
        "late": len(missed),
        "behind_max_ms": round(1000 * lag[-1]) if lag else 0,
        "seen_everywhere_ms": everywhere(history),
    }


def everywhere(history):
    """From the first answer with a revision to the last node's first one: (median, largest) in ms, polling included."""
    nodes = {answer.node for answer in history.good}
    first = {}
    for answer in history.good:
        each = first.setdefault((answer.app, answer.revision), {})
        each[answer.node] = min(each.get(answer.node, answer.answered), answer.answered)
    spans = sorted(max(each.values()) - min(each.values()) for (_, revision), each in first.items()
                   if revision > 1 and set(each) == nodes)
    return [round(1000 * spans[len(spans) // 2]), round(1000 * spans[-1])] if spans else []


def next_call(history, app, moment):
    """The first call for `app` that began after `moment`, or None."""
    calls = sorted((call for call in history.calls if call.app == app), key=lambda call: call.began)
    index = bisect.bisect_right([call.began for call in calls], moment)
    return calls[index] if index < len(calls) else None


if __name__ == "__main__":
    judged = History.load(sys.argv[1])
    print(json.dumps(figures(judged)))
    contradictions = check(judged)
    print("\n".join(contradictions) or "good")
    sys.exit(1 if contradictions else 0)
