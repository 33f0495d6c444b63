#include "net/http_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "testing/raw_client.hpp"

namespace hufu::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Client = hufu::testing::RawClient;

const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kLater = "GET /later HTTP/1.1\r\nHost: h\r\n\r\n";

/// "/later" is answered when a test says so, "/large" at length, anything else at once.
class Answers final : public Handler {
 public:
  /// The right to answer the next "/later", once it has come.
  std::shared_ptr<Pending> next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, seconds(10), [&] { return !pending_.empty(); })) return nullptr;
    auto pending = pending_.front();
    pending_.pop_front();
    return pending;
  }

 private:
  void handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/later") {
      std::lock_guard lock(mutex_);
      pending_.push_back(exchange.defer());
      changed_.notify_all();
    } else if (request.path == "/large") {
      exchange.reply({.body = large_});
    } else if (request.path == "/peer") {
      exchange.reply({.body = request.peer});
    } else {
      exchange.reply({.body = "now"});
    }
  }

  const std::string large_ = std::string(100'000, 'x');
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Pending>> pending_;
};

bool readable_within(const Client& client, milliseconds time) {
  pollfd wanted{client.descriptor(), POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(time.count())) > 0;
}

/// What this process has used of the processor.
milliseconds cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return milliseconds(used.tv_sec * 1000 + used.tv_nsec / 1'000'000);
}

class Server : public ::testing::Test {
 protected:
  void start() {
    auto started = HttpServer::start(options_, answers_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  Client client() { return Client(server_->address()); }
  /// Real sockets answer in real time: waits for what must become true soon.
  static bool soon(const std::function<bool()>& condition) {
    auto end = std::chrono::steady_clock::now() + seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  Answers answers_;
  HttpServer::Options options_;
  std::unique_ptr<HttpServer> server_;
};

/// With one thread, and with several that share the connections out.
class ServerOf : public Server, public ::testing::WithParamInterface<int> {
 protected:
  ServerOf() { options_.threads = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Threads, ServerOf, ::testing::Values(1, 3));

TEST_P(ServerOf, AnswersOnAConnectionThatStaysOpen) {
  start();
  auto one = client();
  auto two = client();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(one.send(kGet) && two.send(kGet));
    ASSERT_THAT(one.read_answer(), StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    ASSERT_THAT(two.read_answer(), HasSubstr("\r\n\r\nnow"));
  }
  EXPECT_EQ(server_->stats().accepted, 2U);
  EXPECT_EQ(server_->stats().connections, 2U);
  EXPECT_EQ(server_->stats().requests, 200U);
}

TEST_P(ServerOf, AnswersFromAnyThread) {
  start();
  std::thread other([&] {
    for (int i = 0; i < 4 * 50; ++i) {
      auto pending = answers_.next();
      ASSERT_NE(pending, nullptr);
      pending->reply({.status = 202, .body = "later"});
      pending->reply({.status = 202, .body = "twice"});
    }
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      auto mine = client();
      for (int i = 0; i < 50; ++i) {
        mine.send(kLater + kGet);
        ASSERT_THAT(mine.read_answer(), HasSubstr("\r\n\r\nlater"));
        ASSERT_THAT(mine.read_answer(), HasSubstr("\r\n\r\nnow"));
      }
    });
  }
  for (auto& thread : clients) thread.join();
  other.join();
}

TEST_P(ServerOf, ServesOthersWhileSomeClientsMisbehave) {
  start();
  std::atomic<bool> enough{false};
  std::thread others([&] {
    std::minstd_rand random(7);
    while (!enough) {
      auto bad = client();
      switch (random() % 6) {
        case 0: bad.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n"); break;
        case 1: bad.send(kGet + "GET"); break;
        case 2: bad.send("\x16\x03\x01 not HTTP at all"); break;
        case 3: bad.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc"); break;
        case 4: bad.send(kGet + kGet + "\r\nX\r\n\r\n"); break;
        default: break;
      }
      if (random() % 2 == 0) {
        bad.reset();
      } else {
        bad.close();
      }
    }
  });
  auto good = client();
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(good.send(kGet));
    ASSERT_THAT(good.read_answer(), HasSubstr("\r\n\r\nnow"));
  }
  enough = true;
  others.join();
  good.close();
  EXPECT_TRUE(soon([&] { return server_->stats().connections == 0; })) << "nothing is left behind";
}

TEST_P(ServerOf, AnswersTenThousandPipelinedRequests) {
  start();
  auto mine = client();
  std::thread writer([&] {
    for (int i = 0; i < 10'000; ++i) {
      if (!mine.send(kGet)) return;
    }
    mine.finish();
  });
  auto heard = mine.read_all();
  writer.join();
  std::size_t answers = 0;
  for (auto at = heard.find("\r\n\r\nnow"); at != std::string::npos;
       at = heard.find("\r\n\r\nnow", at + 1)) {
    ++answers;
  }
  EXPECT_EQ(answers, 10'000U);
}

TEST_F(Server, AnswersAClientThatSendsByteByByte) {
  start();
  auto mine = client();
  for (char c : kGet) ASSERT_TRUE(mine.send({&c, 1}));
  EXPECT_THAT(mine.read_answer(), HasSubstr("\r\n\r\nnow"));
}

TEST_F(Server, AnswersAClientThatClosedItsSendingHalf) {
  start();
  auto mine = client();
  mine.send(kGet + kGet + "GET / HT");
  mine.finish();
  auto heard = mine.read_all();
  EXPECT_EQ(heard.find("HTTP/1.1 200"), 0U);
  EXPECT_NE(heard.find("HTTP/1.1 200", 1), std::string::npos);
}

TEST_F(Server, DeliversTheErrorBeforeItCloses) {
  start();
  auto mine = client();
  // Much of the body is under way when the server refuses it: no reset may eat the answer.
  mine.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" +
            std::string(300'000, 'x'));
  EXPECT_THAT(mine.read_answer(), StartsWith("HTTP/1.1 413 "));
  EXPECT_TRUE(mine.at_end());
}

// ---- Deferred replies

TEST_F(Server, Answers500WhenADeferredReplyIsDropped) {
  start();
  auto mine = client();
  mine.send(kLater);
  ASSERT_NE(answers_.next(), nullptr);
  EXPECT_THAT(mine.read_answer(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(Server, MarksADeferredReplyAsAbandonedWhenTheClientDisconnects) {
  start();
  auto patient = client();
  patient.send(kLater);
  auto kept = answers_.next();
  ASSERT_NE(kept, nullptr);
  for (bool reset : {false, true}) {
    auto mine = client();
    mine.send(kLater);
    auto pending = answers_.next();
    ASSERT_NE(pending, nullptr);
    EXPECT_FALSE(pending->abandoned());
    if (reset) {
      mine.reset();
    } else {
      mine.close();
    }
    EXPECT_TRUE(soon([&] { return pending->abandoned(); }));
    pending->reply({.body = "nobody reads this"});
  }
  EXPECT_FALSE(kept->abandoned());
  kept->reply({.body = "later"});
  EXPECT_THAT(patient.read_answer(), HasSubstr("\r\n\r\nlater"));
}

TEST_F(Server, MayBeDestroyedBeforeADeferredReplyComes) {
  start();
  auto mine = client();
  mine.send(kLater);
  auto pending = answers_.next();
  ASSERT_NE(pending, nullptr);
  server_.reset();
  EXPECT_TRUE(pending->abandoned());
  pending->reply({.body = "too late"});
  EXPECT_TRUE(mine.at_end());
}

// ---- Limits

TEST_F(Server, Answers408WhenARequestTakesTooLong) {
  options_.limits.request = milliseconds(60);
  start();
  auto slow = client();
  slow.send("GET / HTTP/1.1\r\n");
  // A byte now and then does not help.
  while (!readable_within(slow, milliseconds(5)) && slow.send("x")) {
  }
  EXPECT_THAT(slow.read_answer(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(Server, ClosesAnIdleConnectionSilently) {
  options_.limits.idle = milliseconds(500);
  start();
  auto never_spoke = client();
  auto spoke = client();
  spoke.send(kGet);
  EXPECT_THAT(spoke.read_answer(), HasSubstr("now"));
  EXPECT_TRUE(never_spoke.at_end());
  EXPECT_TRUE(spoke.at_end());
}

TEST_F(Server, DoesNotTimeOutWhileAReplyIsDeferred) {
  options_.limits.idle = milliseconds(500);
  options_.limits.request = milliseconds(500);
  start();
  auto mine = client();
  mine.send(kLater);
  auto pending = answers_.next();
  ASSERT_NE(pending, nullptr);
  // An idle client that comes after it is gone: so is the time either limit allows.
  EXPECT_TRUE(client().at_end());
  pending->reply({.body = "later"});
  EXPECT_THAT(mine.read_answer(), HasSubstr("later"));
}

TEST_F(Server, StopsReadingWhenAClientDoesNotRead) {
  options_.limits.idle = milliseconds(400);
  start();
  Client silent(server_->address(), 4096);
  const std::string ask = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
  std::string many;
  for (int i = 0; i < 1000; ++i) many += ask;
  std::size_t sent = 0;
  // Until neither side's kernel takes any more: the server has stopped to read.
  auto quiet_since = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - quiet_since < milliseconds(100)) {
    auto count = silent.send_some(many);
    sent += count;
    if (count != 0) quiet_since = std::chrono::steady_clock::now();
    if (sent > 200'000'000) break;
  }
  EXPECT_LT(sent, 200'000'000U);
  EXPECT_LT(server_->stats().requests, 200U) << "100 kB each";
  auto good = client();
  good.send(kGet);
  EXPECT_THAT(good.read_answer(), HasSubstr("now"));
  good.close();
  EXPECT_TRUE(soon([&] { return server_->stats().connections == 0; })) << "and gives up on it";
}

TEST_F(Server, SendsAllToAClientThatReadsSlowly) {
  start();
  Client slow(server_->address(), 4096);
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) slow.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    slow.finish();
  });
  EXPECT_GT(slow.read_all().size(), 100U * 100'000);
  writer.join();
}

TEST_F(Server, RefusesConnectionsOverTheLimit) {
  options_.limits.connections = 2;
  start();
  auto one = client();
  auto two = client();
  one.send(kGet);
  two.send(kGet);
  one.read_answer();
  two.read_answer();

  auto three = client();
  three.send(kGet);
  auto refusal = three.read_answer();
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refusal, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(refusal, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_TRUE(three.at_end());
  EXPECT_EQ(server_->stats().refused, 1U);

  one.close();
  EXPECT_TRUE(soon([&] { return server_->stats().connections == 1; }));
  auto four = client();
  four.send(kGet);
  EXPECT_THAT(four.read_answer(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Server, WaitsForFileDescriptorsWhenTheyRunOut) {
  start();
  auto good = client();
  good.send(kGet);
  good.read_answer();

  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The next connection needs a descriptor on either side: leave one.
  int lowest = ::dup(0);
  ::close(lowest);
  rlimit tight{static_cast<rlim_t>(lowest + 1), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  auto starved = client();
  EXPECT_TRUE(starved.connected()) << "by the kernel";

  for (int i = 0; i < 200; ++i) {
    good.send(kGet);
    EXPECT_THAT(good.read_answer(), HasSubstr("now"));
  }
  auto busy = cpu_time();
  EXPECT_FALSE(readable_within(starved, milliseconds(400)));
  EXPECT_LT(cpu_time() - busy, milliseconds(200)) << "it does not try in a busy loop";
  EXPECT_EQ(server_->stats().accepted, 1U);
  ::setrlimit(RLIMIT_NOFILE, &before);
  starved.send(kGet);
  EXPECT_THAT(starved.read_answer(), HasSubstr("now"));
}

// ---- Shutdown

TEST_P(ServerOf, StopsWithoutCuttingAnAnswer) {
  start();
  auto idle = client();
  auto halfway = client();
  auto waiting = client();
  auto reading = Client(server_->address(), 4096);
  idle.send(kGet);
  idle.read_answer();
  halfway.send(kGet + kGet.substr(0, 10));
  halfway.read_answer();
  waiting.send(kLater);
  auto pending = answers_.next();
  ASSERT_NE(pending, nullptr);
  std::string five;
  for (int i = 0; i < 5; ++i) five += "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
  reading.send(five);
  EXPECT_TRUE(soon([&] { return server_->stats().requests > 3U; })) << "it has begun with those";

  std::thread stopping([&] { server_->stop(seconds(10)); });
  EXPECT_TRUE(idle.at_end());
  // Nothing is accepted any more.
  EXPECT_TRUE(soon([&] { return !client().connected(); }));

  halfway.send(kGet.substr(10));
  auto heard = halfway.read_answer();
  EXPECT_THAT(heard, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nnow"));
  EXPECT_TRUE(halfway.at_end());
  halfway.close();

  EXPECT_FALSE(pending->abandoned());
  pending->reply({.body = "later"});
  heard = waiting.read_answer();
  EXPECT_THAT(heard, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nlater"));
  waiting.close();

  // What it sends too late must not spoil what it has not read yet.
  reading.send(kGet);
  EXPECT_GT(reading.read_all().size(), 5U * 100'000);
  reading.close();
  idle.close();
  stopping.join();
  EXPECT_EQ(server_->stats().connections, 0U);
}

TEST_P(ServerOf, AnswersEveryRequestThatArrivedBeforeItStopped) {
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(client());
    clients.back().send(kGet);
    clients.back().read_answer();
  }
  for (auto& each : clients) each.send(kGet);
  std::thread stopping([&] { server_->stop(seconds(10)); });
  for (auto& each : clients) {
    EXPECT_THAT(each.read_answer(), HasSubstr("\r\n\r\nnow"));
    each.close();
  }
  stopping.join();
}

TEST_P(ServerOf, AnswersConnectionsThatWereNotAcceptedYetWhenItStopped) {
  for (int round = 0; round < 20; ++round) {
    start();
    std::vector<Client> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(client());
      clients.back().send(kGet);
    }
    std::thread stopping([&] { server_->stop(seconds(10)); });
    for (auto& each : clients) {
      EXPECT_THAT(each.read_answer(), HasSubstr("\r\n\r\nnow"));
      each.close();
    }
    stopping.join();
  }
}

TEST_F(Server, StopsAtOnceWhenNothingIsUnderWay) {
  start();
  auto spoke = client();
  auto never_spoke = client();
  spoke.send(kGet);
  spoke.read_answer();
  // Neither of them closes its side.
  auto began = std::chrono::steady_clock::now();
  server_->stop(seconds(60));
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20));
  EXPECT_TRUE(spoke.at_end());
}

TEST_P(ServerOf, AnswersOneMoreRequestOnAnIdleConnectionWhileDraining) {
  start();
  auto mine = client();
  mine.send(kGet);
  mine.read_answer();
  std::thread stopping([&] { server_->stop(seconds(10), seconds(60)); });
  EXPECT_TRUE(soon([&] { return !client().connected(); })) << "nothing is accepted any more";
  // Accepting stops a moment before every worker drains; until then all is as it was.
  std::string heard;
  EXPECT_TRUE(soon([&] {
    mine.send(kGet);
    heard = mine.read_answer();
    return heard.find("\r\n\r\nnow") == std::string::npos ||
           heard.find("\r\nConnection: close\r\n") != std::string::npos;
  }));
  EXPECT_THAT(heard, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nnow"));
  EXPECT_TRUE(mine.at_end());
  mine.close();
  stopping.join();  // Not a minute later.
}

TEST_F(Server, ClosesIdleConnectionsWhenTheDrainIsOver) {
  start();
  auto idle = client();
  idle.send(kGet);
  idle.read_answer();
  server_->stop(seconds(10), milliseconds(50));
  EXPECT_TRUE(idle.at_end());
}

TEST_F(Server, AbandonsWhatIsNotAnsweredWithinTheStopTimeout) {
  start();
  auto mine = client();
  mine.send(kLater);
  auto pending = answers_.next();
  ASSERT_NE(pending, nullptr);
  server_->stop(milliseconds(50));
  EXPECT_TRUE(pending->abandoned());
  EXPECT_TRUE(mine.at_end());
}

TEST_F(Server, MayBeStoppedTwice) {
  start();
  server_->stop(seconds(1));
  server_->stop(seconds(1));
  server_.reset();
}

// ---- The address

TEST_F(Server, SaysWhichPortIsTaken) {
  start();
  options_.listen = server_->address();
  auto second = HttpServer::start(options_, answers_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::config);
  EXPECT_THAT(second.error().message, HasSubstr("is taken"));
  EXPECT_THAT(second.error().next_step, HasSubstr("another port"));
}

TEST_F(Server, TakesItsPortAgainAtOnce) {
  start();
  options_.listen = server_->address();
  auto mine = client();
  mine.send(kGet);
  mine.read_answer();
  server_.reset();
  start();
  EXPECT_EQ(server_->address(), options_.listen);
}

TEST_F(Server, SaysWhyAnAddressCannotBeUsed) {
  for (auto [listen, why] : {std::pair{"192.0.2.1:0", "not an address of this machine"},
                             {"no-such-host.invalid:0", "cannot be resolved"},
                             {"7200", "the port is missing"}}) {
    options_.listen = listen;
    auto server = HttpServer::start(options_, answers_);
    ASSERT_FALSE(server) << listen;
    EXPECT_EQ(server.error().fault, Fault::config);
    EXPECT_THAT(server.error().message, HasSubstr(why));
    EXPECT_NE(server.error().next_step, "");
  }
}

TEST_F(Server, ListensOnANameAndOnIpv6) {
  options_.listen = "localhost:0";
  start();
  EXPECT_THAT(server_->address(), StartsWith("127.0.0.1:"));
  options_.listen = "[::1]:0";
  auto v6 = HttpServer::start(options_, answers_);
  if (!v6) GTEST_SKIP() << "no IPv6 here: " << v6.error().message;
  EXPECT_THAT((*v6)->address(), StartsWith("[::1]:"));
  Client mine((*v6)->address());
  mine.send("GET /peer HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(mine.read_answer(), HasSubstr("\r\n\r\n::1"));
}

TEST_F(Server, TellsTheHandlerWhoAsks) {
  start();
  auto mine = client();
  mine.send("GET /peer HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(mine.read_answer(), HasSubstr("\r\n\r\n127.0.0.1"));
}

}  // namespace
}  // namespace hufu::net
