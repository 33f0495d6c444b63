#include "net/http1_session.hpp"

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
class RecordedReply final : public Deferred {
 public:
  explicit RecordedReply(std::uint64_t request_id) : request_id_(request_id) {}
  void reply(const Reply&) override {}
  [[nodiscard]] bool abandoned() const noexcept override { return abandoned_; }
  void abandon() noexcept override { abandoned_ = true; }
  [[nodiscard]] std::uint64_t request_id() const { return request_id_; }

 private:
  std::uint64_t request_id_;
  bool abandoned_ = false;
};

/// A client, whose bytes a test writes, and its session with a handler that echoes.
class TestClient : public Handler, public SessionContext {
 public:
  explicit TestClient(ServerLimits some_limits = {})
      : SessionContext(limits_, *this), limits_(some_limits), session_(*this, "192.0.2.1", 1) {
    date = "Date: now\r\n";
  }

  /// Lets the session take in of these bytes what it wants at once; the rest.
  std::string_view feed(std::string_view bytes, std::size_t piece = 1'000'000) {
    auto free = session_.prepare();
    auto count = std::min({free.size(), bytes.size(), piece});
    std::memcpy(free.data(), bytes.data(), count);
    session_.received(count);
    return bytes.substr(count);
  }
  /// What is sent back when these bytes arrive in pieces of `piece` bytes.
  std::string send(std::string_view bytes, std::size_t piece = 1'000'000) {
    while (!bytes.empty() && session_.wants_input()) bytes = feed(bytes, piece);
    return take_output();
  }
  std::string take_output() {
    std::string output;
    while (!session_.outgoing().empty()) {
      output += session_.outgoing();
      session_.sent(session_.outgoing().size());
    }
    return output;
  }
  Http1Session& session() { return session_; }

  struct Seen {
    std::string method, path, query, body, peer, tag;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::vector<Seen> seen;
  std::vector<std::shared_ptr<RecordedReply>> deferred;
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
  std::shared_ptr<Deferred> defer(Http1Session&, std::uint64_t request_id) override {
    deferred.push_back(std::make_shared<RecordedReply>(request_id));
    return deferred.back();
  }

  ServerLimits limits_;
  Http1Session session_;
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

// ---- Requests

TEST(Http1Session, HandsOnWhatTheClientAsked) {
  TestClient client;
  EXPECT_EQ(client.send(get("/a/b?c=d?e", "X-TAG:  seven \r\n")), ok("GET /a/b"));
  EXPECT_EQ(client.seen.at(0),
            (TestClient::Seen{"GET", "/a/b", "c=d?e", "", "192.0.2.1", "seven"}));
  EXPECT_EQ(client.session().phase(), Http1Session::Phase::idle);
  EXPECT_EQ(client.requests, 1U);
}

TEST(Http1Session, ReadsABodyOfKnownLength) {
  TestClient client;
  EXPECT_EQ(client.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
            ok("POST /p"));
  EXPECT_EQ(client.seen.at(0).body, "hello");
}

TEST(Http1Session, ReadsAChunkedBodyWithExtensionsAndTrailers) {
  TestClient client;
  EXPECT_EQ(client.send("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5;a=b\r\nhello\r\n7\r\n, world\r\n0\r\nX-Tag: trailer\r\n\r\n" +
                        get("/next")),
            ok("POST /p") + ok("GET /next"));
  EXPECT_EQ(client.seen.at(0).body, "hello, world");
  EXPECT_EQ(client.seen.at(0).tag, "") << "a trailer is no header";
}

TEST(Http1Session, DoesNotCareHowBytesAreCut) {
  std::string bytes = get("/one", "X-Tag: 1\r\n") +
                      "POST /two HTTP/1.1\r\nHost: h\r\nX-Tag: 2\r\nContent-Length: 3\r\n\r\nabc" +
                      "POST /three HTTP/1.1\r\nX-Tag: 3\r\nHost: h\r\nTransfer-Encoding: Chunked"
                      "\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n" +
                      "\r\n" + get("/four?x");
  std::vector<TestClient::Seen> expected = {{"GET", "/one", "", "", "192.0.2.1", "1"},
                                            {"POST", "/two", "", "abc", "192.0.2.1", "2"},
                                            {"POST", "/three", "", "abcd", "192.0.2.1", "3"},
                                            {"GET", "/four", "x", "", "192.0.2.1", ""}};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    TestClient client;
    EXPECT_EQ(client.send(bytes, piece),
              ok("GET /one") + ok("POST /two") + ok("POST /three") + ok("GET /four"));
    EXPECT_EQ(client.seen, expected) << "in pieces of " << piece;
  }
}

TEST(Http1Session, ForgivesEmptyLinesBeforeARequest) {
  for (std::size_t piece : {1, 2, 100}) {
    TestClient client;
    EXPECT_EQ(client.send("\r\n\r\n" + get("/"), piece), ok("GET /"));
  }
}

TEST(Http1Session, ReadsATargetWithSchemeAndHostAsItsPath) {
  TestClient client;
  client.send(get("http://example.org/a?b"));
  client.send(get("HTTPS://example.org:8080"));
  client.send(get("http://example.org?q=/x"));
  client.send(get("//cgi-bin/token"));
  client.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(client.seen.size(), 5U);
  EXPECT_EQ(client.seen[0].path, "/a");
  EXPECT_EQ(client.seen[0].query, "b");
  EXPECT_EQ(client.seen[1].path, "/");
  EXPECT_EQ(client.seen[2].path, "/");
  EXPECT_EQ(client.seen[2].query, "q=/x");
  EXPECT_EQ(client.seen[3].path, "//cgi-bin/token");
  EXPECT_EQ(client.seen[4].path, "*");
}

TEST(Http1Session, TellsAClientThatAsksToSendItsBody) {
  TestClient client;
  EXPECT_EQ(client.send("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n"
                        "Content-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.send("a"), "") << "said once";
  EXPECT_EQ(client.send("b"), ok("POST /p"));
  EXPECT_EQ(client.send("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\nab"),
            ok("POST /p"))
      << "the body is here already";
  EXPECT_THAT(client.send("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                          "Content-Length: 99999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "))
      << "not invited to send what would be refused";
}

// ---- An answer has the right form

TEST(Http1Session, AnswersHeadWithALengthAndNoBody) {
  TestClient client;
  EXPECT_EQ(
      client.send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n" + get("/g")),
      "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n" +
          ok("GET /g"));
}

TEST(Http1Session, SendsNoBodyWhereTheStatusAllowsNone) {
  TestClient client;
  client.act = [](const Request&, Exchange& exchange) {
    exchange.reply({.status = 304, .headers = "ETag: \"3\"\r\n", .body = "ignored"});
  };
  EXPECT_EQ(client.send(get("/")), "HTTP/1.1 304 Not Modified\r\nDate: now\r\nETag: \"3\"\r\n\r\n");
}

TEST(Http1Session, KeepsTheConnectionAsTheClientWishes) {
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
    TestClient client;
    EXPECT_EQ(client.send(request), ok("GET /", line)) << request;
    EXPECT_EQ(client.session().finished(), ends) << request;
    EXPECT_EQ(client.session().wants_input(), !ends) << request;
  }
}

TEST(Http1Session, IgnoresWhatFollowsTheLastRequest) {
  TestClient client;
  EXPECT_EQ(count_of(client.send(get("/", "Connection: close\r\n") + get("/more")), "HTTP/1.1"),
            1U);
  EXPECT_EQ(client.seen.size(), 1U);
}

TEST(Http1Session, AnswersForAHandlerThatDoesNot) {
  TestClient client;
  client.act = [](const Request&, Exchange&) {};
  EXPECT_THAT(client.send(get("/")), StartsWith("HTTP/1.1 500 "));
  EXPECT_TRUE(client.session().finished());

  TestClient throwing;
  throwing.act = [](const Request&, Exchange&) { throw std::bad_alloc(); };
  EXPECT_THAT(throwing.send(get("/")), StartsWith("HTTP/1.1 500 "));
}

TEST(Http1Session, SendsOneAnswerHoweverOftenItIsGiven) {
  TestClient client;
  client.act = [](const Request&, Exchange& exchange) {
    exchange.reply({.content_type = "text/plain", .body = "first"});
    exchange.reply({.body = "second"});
    EXPECT_NE(exchange.defer(), nullptr);
  };
  EXPECT_EQ(client.send(get("/")), ok("first"));
  client.session().reply_deferred(client.deferred.at(0)->request_id(), {.body = "third"});
  EXPECT_EQ(client.take_output(), "");
}

// ---- Many requests at once

TEST(Http1Session, AnswersTenThousandPipelinedRequestsInOrder) {
  std::string bytes, expected;
  for (int i = 0; i < 10'000; ++i) {
    bytes += get("/" + std::to_string(i));
    expected += ok("GET /" + std::to_string(i));
  }
  for (std::size_t piece : {97, 4096, 1'000'000}) {
    TestClient client;
    std::string output;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      output += client.send(rest.substr(0, 60'000), piece);
      rest.remove_prefix(std::min<std::size_t>(60'000, rest.size()));
    }
    EXPECT_TRUE(output == expected) << "in pieces of " << piece;
  }
}

TEST(Http1Session, AnswersWhatArrivedTogetherTogether) {
  TestClient client;
  std::string bytes = get("/1") + get("/2") + get("/3");
  EXPECT_EQ(client.feed(bytes), "");
  EXPECT_EQ(client.session().outgoing(), ok("GET /1") + ok("GET /2") + ok("GET /3"));
}

TEST(Http1Session, StopsReadingWhenTheClientDoesNotRead) {
  TestClient client;
  std::string large(10'000, 'x');
  client.act = [&](const Request&, Exchange& exchange) { exchange.reply({.body = large}); };
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += get("/");
  std::string_view rest = bytes;
  while (!rest.empty() && client.session().wants_input()) rest = client.feed(rest);
  EXPECT_FALSE(client.session().wants_input());
  EXPECT_EQ(client.session().phase(), Http1Session::Phase::sending);
  EXPECT_LT(client.session().outgoing().size(), Http1Session::kOutputHighWater + 2 * large.size());
  auto before = client.seen.size();
  EXPECT_LT(before, 200U);

  // Once it reads, all of it is answered, what waited in the buffer first.
  std::string output = client.take_output();
  while (client.seen.size() < 200) {
    rest = client.feed(rest);
    output += client.take_output();
  }
  EXPECT_EQ(count_of(output, "HTTP/1.1 200 OK"), 200U);
  EXPECT_EQ(client.seen.size(), 200U);
}

// ---- Deferred replies

class DeferredReply : public testing::Test {
 protected:
  DeferredReply() {
    client_.act = [this](const Request& request, Exchange& exchange) {
      if (request.path == "/later") {
        kept_.push_back(exchange.defer());
      } else {
        exchange.reply({.content_type = "text/plain", .body = "now"});
      }
    };
  }
  void answer(std::size_t which) {
    client_.session().reply_deferred(client_.deferred.at(which)->request_id(),
                                     {.content_type = "text/plain", .body = "later"});
  }

  TestClient client_;
  std::vector<std::shared_ptr<Pending>> kept_;
};

TEST_F(DeferredReply, IsSentWhenItComes) {
  EXPECT_EQ(client_.send(get("/later")), "");
  EXPECT_EQ(client_.session().phase(), Http1Session::Phase::waiting);
  answer(0);
  EXPECT_EQ(client_.take_output(), ok("later"));
  EXPECT_EQ(client_.session().phase(), Http1Session::Phase::idle);
}

TEST_F(DeferredReply, DelaysTheRepliesBehindIt) {
  EXPECT_EQ(client_.send(get("/now") + get("/later") + get("/now") + get("/later") + get("/now")),
            ok("now"));
  answer(0);
  EXPECT_EQ(client_.take_output(), ok("later") + ok("now"));
  answer(1);
  EXPECT_EQ(client_.take_output(), ok("later") + ok("now"));
}

TEST_F(DeferredReply, IsSentOnce) {
  client_.send(get("/later"));
  answer(0);
  answer(0);
  EXPECT_EQ(client_.take_output(), ok("later"));
  client_.send(get("/later"));
  answer(0);
  EXPECT_EQ(client_.take_output(), "") << "an answer to the first request is none to the second";
  answer(1);
  EXPECT_EQ(client_.take_output(), ok("later"));
}

TEST_F(DeferredReply, IsA500WhenItWillNeverCome) {
  client_.send(get("/later"));
  client_.session().fail(client_.deferred.at(0)->request_id());
  EXPECT_THAT(client_.take_output(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(DeferredReply, BuffersABoundedAmountWhileOutstanding) {
  client_.send(get("/later"));
  std::string more(1'000'000, 'x');
  client_.send(more);
  EXPECT_FALSE(client_.session().wants_input());
}

TEST_F(DeferredReply, IsAbandonedWhenTheClientDisconnects) {
  client_.send(get("/later"));
  EXPECT_FALSE(client_.deferred.at(0)->abandoned());
  client_.session().received_end();
  EXPECT_TRUE(client_.deferred.at(0)->abandoned());
  EXPECT_FALSE(client_.session().finished());
  answer(0);
  EXPECT_THAT(client_.take_output(), HasSubstr("later"))
      << "perhaps it closed only its sending half";
  EXPECT_TRUE(client_.session().finished());
}

TEST_F(DeferredReply, IsNotAbandonedWhenTheServerDrains) {
  client_.send(get("/later"));
  client_.draining = true;
  EXPECT_FALSE(client_.deferred.at(0)->abandoned());
  answer(0);
  EXPECT_EQ(client_.take_output(), ok("later", "Connection: close\r\n"));
}

// ---- End of the connection

TEST(Http1Session, EndsWhenTheClientHasSentItsLast) {
  TestClient idle;
  idle.session().received_end();
  EXPECT_TRUE(idle.session().finished());

  TestClient halfway;
  halfway.send("GET / HT");
  halfway.session().received_end();
  EXPECT_TRUE(halfway.session().finished());
  EXPECT_EQ(halfway.take_output(), "");
}

TEST(Http1Session, ClosesTheConnectionWithTheLastReplyWhileDraining) {
  TestClient client;
  client.draining = true;
  EXPECT_EQ(client.send(get("/1") + get("/2")),
            ok("GET /1") + ok("GET /2", "Connection: close\r\n"));
  EXPECT_TRUE(client.session().finished());
}

TEST(Http1Session, KnowsWhenARequestBegan) {
  TestClient client;
  client.now = SteadyTime(Milliseconds(5));
  client.send(get("/") + "GET");
  EXPECT_EQ(client.session().phase(), Http1Session::Phase::receiving);
  client.now = SteadyTime(Milliseconds(9));
  client.send(" ");
  EXPECT_EQ(client.session().request_began(), SteadyTime(Milliseconds(5)));
  client.send("/ HTTP/1.1\r\nHost: h\r\n\r\nG");
  EXPECT_EQ(client.session().request_began(), SteadyTime(Milliseconds(9)));
}

// ---- Malformed requests are rejected, and nothing behind them is read

struct BadRequest {
  const char* name;
  std::string bytes;
  int status;
};
void PrintTo(const BadRequest& request, std::ostream* out) { *out << request.name; }

class Rejected : public testing::TestWithParam<BadRequest> {};

TEST_P(Rejected, WithoutReadingFurther) {
  for (std::size_t piece : {1'000'000, 1}) {
    TestClient client;
    std::string output = client.send(GetParam().bytes, piece);
    output += client.send("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(output, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "))
        << "in pieces of " << piece;
    EXPECT_THAT(output, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(output, HasSubstr("application/problem+json"));
    EXPECT_EQ(count_of(output, "HTTP/1.1 "), 1U);
    EXPECT_THAT(client.seen, IsEmpty());
    EXPECT_TRUE(client.session().finished());
  }
}

std::string with(std::string_view lines, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n" + std::string(body);
}

INSTANTIATE_TEST_SUITE_P(
    Http1Session, Rejected,
    testing::Values(
        // Two readers could see two different requests.
        BadRequest{"LengthAndCoding", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
                   400},
        BadRequest{"CodingAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
                   400},
        BadRequest{"UnknownCodingAndLength", with("Transfer-Encoding: x\r\nContent-Length: 5\r\n"),
                   501},
        BadRequest{"TwoLengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
        BadRequest{"TwoLengthsInOneLine", with("Content-Length: 5, 6\r\n"), 400},
        BadRequest{"SignedLength", with("Content-Length: +5\r\n"), 400},
        BadRequest{"NegativeLength", with("Content-Length: -5\r\n"), 400},
        BadRequest{"HexLength", with("Content-Length: 0x5\r\n"), 400},
        BadRequest{"EmptyLength", with("Content-Length:\r\n"), 400},
        BadRequest{"EndlessLength", with("Content-Length: 99999999999999999999999999\r\n"), 400},
        BadRequest{"UnknownCoding", with("Transfer-Encoding: gzip\r\n"), 501},
        BadRequest{"TwoCodings", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
        BadRequest{"ChunkedIsNotLast", with("Transfer-Encoding: chunked, identity\r\n"), 501},
        BadRequest{"ChunkedTwice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
                   400},
        BadRequest{"NearlyChunked", with("Transfer-Encoding: xchunked\r\n"), 501},
        BadRequest{"QuotedChunked", with("Transfer-Encoding: \"chunked\"\r\n"), 501},
        BadRequest{"ChunkedInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        BadRequest{"SpaceBeforeColon", with("Transfer-Encoding : chunked\r\n"), 400},
        BadRequest{"FoldedValue", with("X: a\r\n b\r\n"), 400},
        BadRequest{"FoldedFromTheStart", with("X:\r\n b\r\n"), 400},
        BadRequest{"FoldedToNothing", with("X: \r\n \r\n"), 400},
        BadRequest{"FoldedCoding", with("Transfer-Encoding:\r\n chunked\r\n"), 400},
        BadRequest{"FirstLineFolded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
        BadRequest{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        BadRequest{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        // Bytes that have no place there.
        BadRequest{"NulInValue", with(std::string("X: a\0b\r\n", 8)), 400},
        BadRequest{"NulInTarget", std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28), 400},
        BadRequest{"BareCarriageReturn", with("X: a\rb\r\n"), 400},
        BadRequest{"BareLineFeeds", "GET / HTTP/1.1\nHost: h\n\n", 400},
        BadRequest{"BareLineFeedInValue", with("X: a\nY: b\r\n"), 400},
        BadRequest{"NoColon", with("nonsense\r\n"), 400},
        BadRequest{"EmptyName", with(": a\r\n"), 400},
        BadRequest{"ControlInName", with("X\x01: a\r\n"), 400},
        // Not a request at all.
        BadRequest{"TlsHello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
                   400},
        BadRequest{"OnlySpace", " / HTTP/1.1\r\n\r\n", 400},
        BadRequest{"NoTarget", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"NoVersion", "GET /\r\n", 400},
        BadRequest{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"NoSlash", get("token"), 400}, BadRequest{"OtherScheme", get("ftp://h/x"), 400},
        BadRequest{"NoAuthority", get("http:///x"), 400},
        BadRequest{"Connect", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        BadRequest{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        BadRequest{"Http3", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
        BadRequest{"NoHttp", "GET / HTCPCP/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"LowerCaseHttp", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"OtherExpectation", with("Expect: 200-ok\r\nContent-Length: 1\r\n"), 417},
        // Too much of it.
        BadRequest{"LongTarget", "GET /" + std::string(20'000, 'x'), 414},
        BadRequest{"LongTargetWhole", get("/" + std::string(20'000, 'x')), 414},
        BadRequest{"LongHeader", with("X: " + std::string(20'000, 'x') + "\r\n"), 431},
        BadRequest{"LongHeaderWithoutEnd", "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'), 431},
        BadRequest{"ManyFields",
                   [] {
                     std::string lines;
                     for (int i = 0; i < 200; ++i) lines += "X: y\r\n";
                     return with(lines);
                   }(),
                   431},
        BadRequest{"LargeBody", with("Content-Length: 65537\r\n"), 413}),
    [](const auto& request) { return request.param.name; });

class RejectedChunks : public testing::TestWithParam<BadRequest> {};

TEST_P(RejectedChunks, WithoutReadingFurther) {
  for (std::size_t piece : {1'000'000, 1}) {
    TestClient client;
    auto output =
        client.send(with("Transfer-Encoding: chunked\r\n", GetParam().bytes) + get("/x"), piece);
    EXPECT_THAT(output, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "))
        << "in pieces of " << piece;
    EXPECT_THAT(client.seen, IsEmpty());
    EXPECT_TRUE(client.session().finished());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Http1Session, RejectedChunks,
    testing::Values(
        BadRequest{"NoSize", "\r\nhello\r\n0\r\n\r\n", 400},
        BadRequest{"NotHex", "xyz\r\nhello\r\n", 400},
        BadRequest{"Negative", "-5\r\nhello\r\n", 400},
        BadRequest{"Endless", "fffffffffffffffff\r\nhello\r\n", 400},
        BadRequest{"WrongEnd", "5\r\nhelloX\r\n0\r\n\r\n", 400},
        BadRequest{"LineFeedOnly", "5\nhello\n0\n\nGET / HTTP/1.1\r\n", 400},
        BadRequest{"BadExtension", "5;=\r\nhello\r\n0\r\n\r\n", 400},
        BadRequest{"LengthInTrailer", "1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
        BadRequest{"CodingInTrailer", "1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        BadRequest{"TooLarge", "10001\r\n", 413},
        BadRequest{"TooLargeTogether",
                   "8000\r\n" + std::string(0x8000, 'x') + "\r\n8001\r\n" + std::string(9, 'x'),
                   413},
        BadRequest{"LongExtension", "1;" + std::string(20'000, 'x') + "\r\nz\r\n0\r\n\r\n", 431},
        BadRequest{"LongTrailer", "0\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431}),
    [](const auto& request) { return request.param.name; });

TEST(Http1Session, TakesABodyOfExactlyTheLimit) {
  for (std::size_t piece : {1'000'000, 1000, 1}) {
    TestClient client;
    std::string body(65'536, 'b');
    EXPECT_EQ(client.send(with("Content-Length: 65536\r\n", body), piece), ok("POST /"));
    EXPECT_EQ(client.seen.at(0).body, body);
    EXPECT_EQ(
        client.send(with("Transfer-Encoding: chunked\r\n", "10000\r\n" + body + "\r\n0\r\n\r\n"),
                    piece),
        ok("POST /"));
    EXPECT_EQ(client.seen.at(1).body, body);
  }
}

TEST(Http1Session, SurvivesABodyOfTinyChunks) {
  std::string chunks;
  for (int i = 0; i < 60'000; ++i) chunks += "1;x=yyyyyyyyyyyyyyyyyyyy\r\nz\r\n";
  TestClient client;
  EXPECT_EQ(client.send(with("Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n")),
            ok("POST /"));
  EXPECT_EQ(client.seen.at(0).body, std::string(60'000, 'z'));
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
