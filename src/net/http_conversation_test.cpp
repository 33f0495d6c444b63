#include "net/http_conversation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <optional>
#include <vector>

namespace hufu::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// A Pending that lets a test see what became of it.
class Promise final : public Deferred {
 public:
  explicit Promise(std::uint64_t ticket) : ticket_(ticket) {}
  void reply(const Reply&) override {}
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }
  [[nodiscard]] std::uint64_t ticket() const { return ticket_; }

 private:
  std::uint64_t ticket_;
  bool abandoned_ = false;
};

/// One conversation between a client, whose words a test writes, and a handler that echoes.
class Talk : public Handler, public Surroundings {
 public:
  explicit Talk(ServerLimits some_limits = {})
      : Surroundings(limits_, *this), limits_(some_limits), conversation_(*this, "192.0.2.1", 1) {
    date = "Date: now\r\n";
  }

  /// Lets the conversation take in of these bytes what it wants at once; the rest.
  std::string_view feed(std::string_view bytes, std::size_t piece = 1'000'000) {
    auto room = conversation_.room();
    auto count = std::min({room.size(), bytes.size(), piece});
    std::memcpy(room.data(), bytes.data(), count);
    conversation_.received(count);
    return bytes.substr(count);
  }
  /// What is sent back when these bytes arrive in pieces of `piece` bytes.
  std::string say(std::string_view bytes, std::size_t piece = 1'000'000) {
    while (!bytes.empty() && conversation_.wants_input()) bytes = feed(bytes, piece);
    return hear();
  }
  std::string hear() {
    std::string heard;
    while (!conversation_.outgoing().empty()) {
      heard += conversation_.outgoing();
      conversation_.sent(conversation_.outgoing().size());
    }
    return heard;
  }
  Conversation& conversation() { return conversation_; }

  struct Seen {
    std::string method, path, query, body, peer, tag;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::vector<Seen> seen;
  std::vector<std::shared_ptr<Promise>> promises;
  /// What the handler does; unless set, it echoes method and target.
  std::function<void(const Request&, Exchange&)> act;

 private:
  void handle(const Request& request, Exchange& exchange) override {
    seen.push_back({std::string(request.method), std::string(request.path),
                    std::string(request.query), std::string(request.body),
                    std::string(request.peer), std::string(request.header("x-tag"))});
    if (act) return act(request, exchange);
    std::string echo = seen.back().method + " " + seen.back().path;
    exchange.reply({.content_type = "text/plain", .body = echo});
  }
  std::shared_ptr<Deferred> defer(Conversation&, std::uint64_t ticket) override {
    promises.push_back(std::make_shared<Promise>(ticket));
    return promises.back();
  }

  ServerLimits limits_;
  Conversation conversation_;
};

std::string get(std::string_view path, std::string_view lines = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n";
}
std::string ok(std::string_view body, std::string_view lines = "") {
  return "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(lines) + "\r\n" + std::string(body);
}
std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

// ---- A request is understood

TEST(Conversation, HandsOnWhatTheClientAsked) {
  Talk talk;
  EXPECT_EQ(talk.say(get("/a/b?c=d?e", "X-TAG:  seven \r\n")), ok("GET /a/b"));
  EXPECT_EQ(talk.seen.at(0), (Talk::Seen{"GET", "/a/b", "c=d?e", "", "192.0.2.1", "seven"}));
  EXPECT_EQ(talk.conversation().phase(), Conversation::Phase::idle);
  EXPECT_EQ(talk.requests, 1U);
}

TEST(Conversation, ReadsABodyOfKnownLength) {
  Talk talk;
  EXPECT_EQ(talk.say("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
            ok("POST /p"));
  EXPECT_EQ(talk.seen.at(0).body, "hello");
}

TEST(Conversation, ReadsAChunkedBodyWithExtensionsAndTrailers) {
  Talk talk;
  EXPECT_EQ(talk.say("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5;a=b\r\nhello\r\n7\r\n, world\r\n0\r\nX-Tag: trailer\r\n\r\n" +
                     get("/next")),
            ok("POST /p") + ok("GET /next"));
  EXPECT_EQ(talk.seen.at(0).body, "hello, world");
  EXPECT_EQ(talk.seen.at(0).tag, "") << "a trailer is no header";
}

TEST(Conversation, DoesNotCareHowBytesAreCut) {
  std::string bytes = get("/one", "X-Tag: 1\r\n") +
                      "POST /two HTTP/1.1\r\nHost: h\r\nX-Tag: 2\r\nContent-Length: 3\r\n\r\nabc" +
                      "POST /three HTTP/1.1\r\nX-Tag: 3\r\nHost: h\r\nTransfer-Encoding: Chunked"
                      "\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n" +
                      "\r\n" + get("/four?x");
  std::vector<Talk::Seen> expected = {{"GET", "/one", "", "", "192.0.2.1", "1"},
                                      {"POST", "/two", "", "abc", "192.0.2.1", "2"},
                                      {"POST", "/three", "", "abcd", "192.0.2.1", "3"},
                                      {"GET", "/four", "x", "", "192.0.2.1", ""}};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    Talk talk;
    EXPECT_EQ(talk.say(bytes, piece),
              ok("GET /one") + ok("POST /two") + ok("POST /three") + ok("GET /four"));
    EXPECT_EQ(talk.seen, expected) << "in pieces of " << piece;
  }
}

TEST(Conversation, ForgivesEmptyLinesBeforeARequest) {
  for (std::size_t piece : {1, 2, 100}) {
    Talk talk;
    EXPECT_EQ(talk.say("\r\n\r\n" + get("/"), piece), ok("GET /"));
  }
}

TEST(Conversation, ReadsATargetWithSchemeAndHostAsItsPath) {
  Talk talk;
  talk.say(get("http://example.org/a?b"));
  talk.say(get("HTTPS://example.org:8080"));
  talk.say(get("http://example.org?q=/x"));
  talk.say(get("//cgi-bin/token"));
  talk.say("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(talk.seen.size(), 5U);
  EXPECT_EQ(talk.seen[0].path, "/a");
  EXPECT_EQ(talk.seen[0].query, "b");
  EXPECT_EQ(talk.seen[1].path, "/");
  EXPECT_EQ(talk.seen[2].path, "/");
  EXPECT_EQ(talk.seen[2].query, "q=/x");
  EXPECT_EQ(talk.seen[3].path, "//cgi-bin/token");
  EXPECT_EQ(talk.seen[4].path, "*");
}

TEST(Conversation, TellsAClientThatAsksToSendItsBody) {
  Talk talk;
  EXPECT_EQ(talk.say("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n"
                     "Content-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(talk.say("a"), "") << "said once";
  EXPECT_EQ(talk.say("b"), ok("POST /p"));
  EXPECT_EQ(talk.say("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                     "Content-Length: 2\r\n\r\nab"),
            ok("POST /p"))
      << "the body is here already";
  EXPECT_THAT(talk.say("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                       "Content-Length: 99999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "))
      << "not invited to send what would be refused";
}

// ---- An answer has the right form

TEST(Conversation, AnswersHeadWithALengthAndNoBody) {
  Talk talk;
  EXPECT_EQ(
      talk.say("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n" + get("/g")),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n" +
          ok("GET /g"));
}

TEST(Conversation, SendsNoBodyWhereTheStatusAllowsNone) {
  Talk talk;
  talk.act = [](const Request&, Exchange& exchange) {
    exchange.reply({.status = 304, .headers = "ETag: \"3\"\r\n", .body = "ignored"});
  };
  EXPECT_EQ(talk.say(get("/")), "HTTP/1.1 304 Not Modified\r\nDate: now\r\nETag: \"3\"\r\n\r\n");
}

TEST(Conversation, KeepsTheConnectionAsTheClientWishes) {
  struct Case {
    const char* request;
    const char* line;
    bool ends;
  };
  for (auto [request, line, ends] : {
           Case{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
           Case{"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "Connection: close\r\n",
                true},
           Case{"GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n\r\n",
                "Connection: close\r\n", true},
           Case{"GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n", true},
           Case{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "Connection: keep-alive\r\n",
                false},
       }) {
    Talk talk;
    EXPECT_EQ(talk.say(request), ok("GET /", line)) << request;
    EXPECT_EQ(talk.conversation().finished(), ends) << request;
    EXPECT_EQ(talk.conversation().wants_input(), !ends) << request;
  }
}

TEST(Conversation, IgnoresWhatFollowsTheLastRequest) {
  Talk talk;
  EXPECT_EQ(count_of(talk.say(get("/", "Connection: close\r\n") + get("/more")), "HTTP/1.1"), 1U);
  EXPECT_EQ(talk.seen.size(), 1U);
}

TEST(Conversation, AnswersForAHandlerThatDoesNot) {
  Talk talk;
  talk.act = [](const Request&, Exchange&) {};
  EXPECT_THAT(talk.say(get("/")), StartsWith("HTTP/1.1 500 "));
  EXPECT_TRUE(talk.conversation().finished());

  Talk throwing;
  throwing.act = [](const Request&, Exchange&) { throw std::bad_alloc(); };
  EXPECT_THAT(throwing.say(get("/")), StartsWith("HTTP/1.1 500 "));
}

TEST(Conversation, SendsOneAnswerHoweverOftenItIsGiven) {
  Talk talk;
  talk.act = [](const Request&, Exchange& exchange) {
    exchange.reply({.content_type = "text/plain", .body = "first"});
    exchange.reply({.body = "second"});
    EXPECT_NE(exchange.defer(), nullptr);
  };
  EXPECT_EQ(talk.say(get("/")), ok("first"));
  talk.conversation().answer(talk.promises.at(0)->ticket(), {.body = "third"});
  EXPECT_EQ(talk.hear(), "");
}

// ---- Many requests at once

TEST(Conversation, AnswersTenThousandPipelinedRequestsInOrder) {
  std::string bytes, expected;
  for (int i = 0; i < 10'000; ++i) {
    bytes += get("/" + std::to_string(i));
    expected += ok("GET /" + std::to_string(i));
  }
  for (std::size_t piece : {97, 4096, 1'000'000}) {
    Talk talk;
    std::string heard;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      heard += talk.say(rest.substr(0, 60'000), piece);
      rest.remove_prefix(std::min<std::size_t>(60'000, rest.size()));
    }
    EXPECT_TRUE(heard == expected) << "in pieces of " << piece;
  }
}

TEST(Conversation, AnswersWhatArrivedTogetherTogether) {
  Talk talk;
  std::string bytes = get("/1") + get("/2") + get("/3");
  EXPECT_EQ(talk.feed(bytes), "");
  EXPECT_EQ(talk.conversation().outgoing(), ok("GET /1") + ok("GET /2") + ok("GET /3"));
}

TEST(Conversation, StopsToReadWhenTheClientDoesNot) {
  Talk talk;
  std::string large(10'000, 'x');
  talk.act = [&](const Request&, Exchange& exchange) { exchange.reply({.body = large}); };
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += get("/");
  std::string_view rest = bytes;
  while (!rest.empty() && talk.conversation().wants_input()) rest = talk.feed(rest);
  EXPECT_FALSE(talk.conversation().wants_input());
  EXPECT_EQ(talk.conversation().phase(), Conversation::Phase::sending);
  EXPECT_LT(talk.conversation().outgoing().size(), Conversation::kEnough + 2 * large.size());
  auto before = talk.seen.size();
  EXPECT_LT(before, 200U);

  // Once it reads, all of it is answered, what waited in the buffer first.
  std::string heard = talk.hear();
  while (talk.seen.size() < 200) {
    rest = talk.feed(rest);
    heard += talk.hear();
  }
  EXPECT_EQ(count_of(heard, "HTTP/1.1 200 OK"), 200U);
  EXPECT_EQ(talk.seen.size(), 200U);
}

// ---- An answer comes later

class Later : public testing::Test {
 protected:
  Later() {
    talk_.act = [this](const Request& request, Exchange& exchange) {
      if (request.path == "/later") {
        kept_.push_back(exchange.defer());
      } else {
        exchange.reply({.content_type = "text/plain", .body = "now"});
      }
    };
  }
  void answer(std::size_t which) {
    talk_.conversation().answer(talk_.promises.at(which)->ticket(),
                                {.content_type = "text/plain", .body = "later"});
  }

  Talk talk_;
  std::vector<std::shared_ptr<Pending>> kept_;
};

TEST_F(Later, IsSentWhenItComes) {
  EXPECT_EQ(talk_.say(get("/later")), "");
  EXPECT_EQ(talk_.conversation().phase(), Conversation::Phase::waiting);
  answer(0);
  EXPECT_EQ(talk_.hear(), ok("later"));
  EXPECT_EQ(talk_.conversation().phase(), Conversation::Phase::idle);
}

TEST_F(Later, HoldsBackTheAnswersBehindIt) {
  EXPECT_EQ(talk_.say(get("/now") + get("/later") + get("/now") + get("/later") + get("/now")),
            ok("now"));
  answer(0);
  EXPECT_EQ(talk_.hear(), ok("later") + ok("now"));
  answer(1);
  EXPECT_EQ(talk_.hear(), ok("later") + ok("now"));
}

TEST_F(Later, CountsOnce) {
  talk_.say(get("/later"));
  answer(0);
  answer(0);
  EXPECT_EQ(talk_.hear(), ok("later"));
  talk_.say(get("/later"));
  answer(0);
  EXPECT_EQ(talk_.hear(), "") << "an answer to the first request is none to the second";
  answer(1);
  EXPECT_EQ(talk_.hear(), ok("later"));
}

TEST_F(Later, IsA500WhenItWillNeverCome) {
  talk_.say(get("/later"));
  talk_.conversation().fail(talk_.promises.at(0)->ticket());
  EXPECT_THAT(talk_.hear(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(Later, TakesInOnlySoMuchMeanwhile) {
  talk_.say(get("/later"));
  std::string more(1'000'000, 'x');
  talk_.say(more);
  EXPECT_FALSE(talk_.conversation().wants_input());
}

TEST_F(Later, IsAbandonedWhenTheClientLeaves) {
  talk_.say(get("/later"));
  EXPECT_FALSE(talk_.promises.at(0)->abandoned());
  talk_.conversation().received_end();
  EXPECT_TRUE(talk_.promises.at(0)->abandoned());
  EXPECT_FALSE(talk_.conversation().finished());
  answer(0);
  EXPECT_THAT(talk_.hear(), HasSubstr("later")) << "perhaps it closed only its sending half";
  EXPECT_TRUE(talk_.conversation().finished());
}

TEST_F(Later, IsNotAbandonedBecauseTheServerStops) {
  talk_.say(get("/later"));
  talk_.stopping = true;
  EXPECT_FALSE(talk_.promises.at(0)->abandoned());
  answer(0);
  EXPECT_EQ(talk_.hear(), ok("later", "Connection: close\r\n"));
}

// ---- The end

TEST(Conversation, EndsWhenTheClientHasSentItsLast) {
  Talk idle;
  idle.conversation().received_end();
  EXPECT_TRUE(idle.conversation().finished());

  Talk halfway;
  halfway.say("GET / HT");
  halfway.conversation().received_end();
  EXPECT_TRUE(halfway.conversation().finished());
  EXPECT_EQ(halfway.hear(), "");
}

TEST(Conversation, SaysGoodbyeWithTheLastAnswerWhileStopping) {
  Talk talk;
  talk.stopping = true;
  EXPECT_EQ(talk.say(get("/1") + get("/2")), ok("GET /1") + ok("GET /2", "Connection: close\r\n"));
  EXPECT_TRUE(talk.conversation().finished());
}

TEST(Conversation, KnowsWhenARequestBegan) {
  Talk talk;
  talk.now = SteadyTime(Milliseconds(5));
  talk.say(get("/") + "GET");
  EXPECT_EQ(talk.conversation().phase(), Conversation::Phase::receiving);
  talk.now = SteadyTime(Milliseconds(9));
  talk.say(" ");
  EXPECT_EQ(talk.conversation().request_began(), SteadyTime(Milliseconds(5)));
  talk.say("/ HTTP/1.1\r\nHost: h\r\n\r\nG");
  EXPECT_EQ(talk.conversation().request_began(), SteadyTime(Milliseconds(9)));
}

// ---- What cannot be understood is refused, and nothing behind it is read

struct Hostile {
  const char* name;
  std::string bytes;
  int status;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class Refused : public testing::TestWithParam<Hostile> {};

TEST_P(Refused, AtOnceAndWholly) {
  for (std::size_t piece : {1'000'000, 1}) {
    Talk talk;
    std::string heard = talk.say(GetParam().bytes, piece);
    heard += talk.say("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "))
        << "in pieces of " << piece;
    EXPECT_THAT(heard, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(heard, HasSubstr("application/problem+json"));
    EXPECT_EQ(count_of(heard, "HTTP/1.1 "), 1U);
    EXPECT_THAT(talk.seen, IsEmpty());
    EXPECT_TRUE(talk.conversation().finished());
  }
}

std::string with(std::string_view lines, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n" + std::string(body);
}

INSTANTIATE_TEST_SUITE_P(
    Conversation, Refused,
    testing::Values(
        // Two readers could see two different requests.
        Hostile{"LengthAndCoding", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
                400},
        Hostile{"CodingAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
                400},
        Hostile{"UnknownCodingAndLength", with("Transfer-Encoding: x\r\nContent-Length: 5\r\n"),
                501},
        Hostile{"TwoLengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
        Hostile{"TwoLengthsInOneLine", with("Content-Length: 5, 6\r\n"), 400},
        Hostile{"SignedLength", with("Content-Length: +5\r\n"), 400},
        Hostile{"NegativeLength", with("Content-Length: -5\r\n"), 400},
        Hostile{"HexLength", with("Content-Length: 0x5\r\n"), 400},
        Hostile{"EmptyLength", with("Content-Length:\r\n"), 400},
        Hostile{"EndlessLength", with("Content-Length: 99999999999999999999999999\r\n"), 400},
        Hostile{"UnknownCoding", with("Transfer-Encoding: gzip\r\n"), 501},
        Hostile{"TwoCodings", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
        Hostile{"ChunkedIsNotLast", with("Transfer-Encoding: chunked, identity\r\n"), 501},
        Hostile{"ChunkedTwice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
                400},
        Hostile{"NearlyChunked", with("Transfer-Encoding: xchunked\r\n"), 501},
        Hostile{"QuotedChunked", with("Transfer-Encoding: \"chunked\"\r\n"), 501},
        Hostile{"ChunkedInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Hostile{"SpaceBeforeColon", with("Transfer-Encoding : chunked\r\n"), 400},
        Hostile{"FoldedValue", with("X: a\r\n b\r\n"), 400},
        Hostile{"FoldedFromTheStart", with("X:\r\n b\r\n"), 400},
        Hostile{"FoldedToNothing", with("X: \r\n \r\n"), 400},
        Hostile{"FoldedCoding", with("Transfer-Encoding:\r\n chunked\r\n"), 400},
        Hostile{"FirstLineFolded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
        Hostile{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Hostile{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        // Bytes that have no place there.
        Hostile{"NulInValue", with(std::string("X: a\0b\r\n", 8)), 400},
        Hostile{"NulInTarget", std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28), 400},
        Hostile{"BareCarriageReturn", with("X: a\rb\r\n"), 400},
        Hostile{"BareLineFeeds", "GET / HTTP/1.1\nHost: h\n\n", 400},
        Hostile{"BareLineFeedInValue", with("X: a\nY: b\r\n"), 400},
        Hostile{"NoColon", with("nonsense\r\n"), 400}, Hostile{"EmptyName", with(": a\r\n"), 400},
        Hostile{"ControlInName", with("X\x01: a\r\n"), 400},
        // Not a request at all.
        Hostile{"TlsHello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 400},
        Hostile{"OnlySpace", " / HTTP/1.1\r\n\r\n", 400},
        Hostile{"NoTarget", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Hostile{"NoVersion", "GET /\r\n", 400},
        Hostile{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Hostile{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Hostile{"NoSlash", get("token"), 400}, Hostile{"OtherScheme", get("ftp://h/x"), 400},
        Hostile{"NoAuthority", get("http:///x"), 400},
        Hostile{"Connect", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        Hostile{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        Hostile{"Http3", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
        Hostile{"NoHttp", "GET / HTCPCP/1.1\r\nHost: h\r\n\r\n", 400},
        Hostile{"LowerCaseHttp", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
        Hostile{"OtherExpectation", with("Expect: a miracle\r\nContent-Length: 1\r\n"), 417},
        // Too much of it.
        Hostile{"LongTarget", "GET /" + std::string(20'000, 'x'), 414},
        Hostile{"LongTargetWhole", get("/" + std::string(20'000, 'x')), 414},
        Hostile{"LongHeader", with("X: " + std::string(20'000, 'x') + "\r\n"), 431},
        Hostile{"LongHeaderWithoutEnd", "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'), 431},
        Hostile{"ManyFields",
                [] {
                  std::string lines;
                  for (int i = 0; i < 200; ++i) lines += "X: y\r\n";
                  return with(lines);
                }(),
                431},
        Hostile{"LargeBody", with("Content-Length: 65537\r\n"), 413}),
    [](const auto& hostile) { return hostile.param.name; });

class RefusedChunks : public testing::TestWithParam<Hostile> {};

TEST_P(RefusedChunks, AtOnceAndWholly) {
  for (std::size_t piece : {1'000'000, 1}) {
    Talk talk;
    auto heard =
        talk.say(with("Transfer-Encoding: chunked\r\n", GetParam().bytes) + get("/x"), piece);
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "))
        << "in pieces of " << piece;
    EXPECT_THAT(talk.seen, IsEmpty());
    EXPECT_TRUE(talk.conversation().finished());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Conversation, RefusedChunks,
    testing::Values(
        Hostile{"NoSize", "\r\nhello\r\n0\r\n\r\n", 400},
        Hostile{"NotHex", "xyz\r\nhello\r\n", 400}, Hostile{"Negative", "-5\r\nhello\r\n", 400},
        Hostile{"Endless", "fffffffffffffffff\r\nhello\r\n", 400},
        Hostile{"WrongEnd", "5\r\nhelloX\r\n0\r\n\r\n", 400},
        Hostile{"LineFeedOnly", "5\nhello\n0\n\nGET / HTTP/1.1\r\n", 400},
        Hostile{"BadExtension", "5;=\r\nhello\r\n0\r\n\r\n", 400},
        Hostile{"LengthInTrailer", "1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
        Hostile{"CodingInTrailer", "1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Hostile{"TooLarge", "10001\r\n", 413},
        Hostile{"TooLargeTogether",
                "8000\r\n" + std::string(0x8000, 'x') + "\r\n8001\r\n" + std::string(9, 'x'), 413},
        Hostile{"LongExtension", "1;" + std::string(20'000, 'x') + "\r\nz\r\n0\r\n\r\n", 431},
        Hostile{"LongTrailer", "0\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431}),
    [](const auto& hostile) { return hostile.param.name; });

TEST(Conversation, TakesABodyOfExactlyTheLimit) {
  for (std::size_t piece : {1'000'000, 1000, 1}) {
    Talk talk;
    std::string body(65'536, 'b');
    EXPECT_EQ(talk.say(with("Content-Length: 65536\r\n", body), piece), ok("POST /"));
    EXPECT_EQ(talk.seen.at(0).body, body);
    EXPECT_EQ(talk.say(with("Transfer-Encoding: chunked\r\n", "10000\r\n" + body + "\r\n0\r\n\r\n"),
                       piece),
              ok("POST /"));
    EXPECT_EQ(talk.seen.at(1).body, body);
  }
}

TEST(Conversation, SurvivesABodyOfTinyChunks) {
  std::string chunks;
  for (int i = 0; i < 60'000; ++i) chunks += "1;x=yyyyyyyyyyyyyyyyyyyy\r\nz\r\n";
  Talk talk;
  EXPECT_EQ(talk.say(with("Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n")), ok("POST /"));
  EXPECT_EQ(talk.seen.at(0).body, std::string(60'000, 'z'));
}

TEST(Reply, WritesTheDateAsHttpWantsIt) {
  EXPECT_EQ(date_line(WallTime(std::chrono::seconds(784'111'777))),
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

TEST(Reply, WritesAStatusItHasNoWordsFor) {
  ByteBuffer out;
  write_reply(out, {.status = 299, .body = "x"}, {});
  EXPECT_THAT(std::string(out.view()), StartsWith("HTTP/1.1 299 "));
  EXPECT_THAT(std::string(out.view()), EndsWith("\r\n\r\nx"));
  EXPECT_THAT(std::string(out.view()), Not(HasSubstr("Connection")));
}

}  // namespace
}  // namespace hufu::net
